"""Generated from OpenAPI: each route that takes an id answers for another tenant's as for an unknown one.

Byte for byte, headers included, but for what differs between any two answers. A new route without a family in
``isolation.py`` fails here.
"""

import re
from collections.abc import AsyncIterator
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from ..support.isolation import FAMILIES, NO_TENANTS, Family, Headers, store
from ..support.world import TRY_ON, World

pytestmark = pytest.mark.stack
METHODS = ("get", "post", "put", "patch", "delete")
DIFFERS = {"date", "x-request-id", "ratelimit", "ratelimit-policy"}
VOLATILE = re.compile(rb'"(timestamp|requestId)":\s*"[^"]*"')


async def _operations(world: World) -> AsyncIterator[tuple[str, str]]:
    for path, operations in (await world.load_paths()).items():
        for method in METHODS:
            if method in operations:
                yield method, path


def _family(path: str) -> Family | None:
    return next((family for prefix, family in FAMILIES.items() if path.startswith(prefix)), None)


def _visible_parts(answer: httpx.Response, id_: str) -> tuple[int, bytes, dict[str, str]]:
    """The parts of an answer by which a client can distinguish two."""
    body = VOLATILE.sub(b"", answer.content).replace(id_.encode(), b"ID")
    return answer.status_code, body, {name: value for name, value in answer.headers.items() if name not in DIFFERS}


async def test_every_route_with_an_id_has_a_family_or_a_reason_to_have_none(world: World) -> None:
    operations = [path async for _, path in _operations(world) if "{" in path]

    homeless = [path for path in operations if _family(path) is None and not path.startswith(tuple(NO_TENANTS))]

    assert len(operations) > 10
    assert homeless == []


@pytest.mark.parametrize("prefix", FAMILIES)
async def test_another_tenants_id_is_answered_as_an_unknown_one_on_every_route(world: World, prefix: str) -> None:
    family = FAMILIES[prefix]
    owner = await family.tenant(world)
    mine = await family.make(world, owner)
    before = await _generations(world)
    routes = [(m, path) async for m, path in _operations(world) if path.startswith(prefix) and "{" in path]
    assert routes and (await world.client.get(family.own.format(id=mine), headers=owner)).status_code == 200

    for tenant in (family.tenant, *family.strangers):
        stranger = await tenant(world)
        for method, path in routes:
            foreign, unknown = [await _ask(world, stranger, method, path, id_) for id_ in (mine, str(uuid4()))]
            assert foreign[0] == 404, (method, path, foreign)
            assert foreign == unknown, (method, path)

    assert (await world.client.get(family.own.format(id=mine), headers=owner)).status_code == 200
    assert await _generations(world) == before


async def _generations(world: World) -> int:
    return int(await world.pool.fetchval("SELECT count(*) FROM generations"))


async def _ask(world: World, headers: Headers, method: str, path: str, id_: str) -> tuple[int, bytes, dict[str, str]]:
    body: dict[str, str] | None = None if method in ("get", "delete") else {}
    url = re.sub(r"\{[^}]*\}", id_, path)
    return _visible_parts(await world.client.request(method, url, headers=headers, json=body), id_)


@pytest.mark.parametrize("prefix", FAMILIES)
async def test_no_list_of_one_tenant_shows_what_is_anothers(world: World, prefix: str) -> None:
    family = FAMILIES[prefix]
    mine = await family.make(world, await family.tenant(world))

    for tenant in (family.tenant, *family.strangers):
        stranger = await tenant(world)
        async for method, path in _operations(world):
            if method == "get" and "{" not in path:
                assert mine not in (await world.client.get(path, headers=stranger)).text, path


async def test_a_trpc_session_of_another_user_is_answered_as_an_unknown_one(world: World) -> None:
    (_, owner), (_, stranger) = await world.user(), await world.user()
    asked = {"imageUrls": TRY_ON["image_urls"]}
    made = await world.client.post("/api/trpc/tryOn.create", headers=owner, json=asked)
    mine = made.json()["result"]["data"]["sessionId"]

    async def get(headers: Headers, id_: str) -> httpx.Response:
        given = quote(f'{{"sessionId": "{id_}"}}')
        return await world.client.get(f"/api/trpc/tryOn.get?input={given}", headers=headers)

    unknown = str(uuid4())
    assert (await get(owner, mine)).status_code == 200
    foreign = _visible_parts(await get(stranger, mine), mine)
    assert foreign[0] == 404 and foreign == _visible_parts(await get(stranger, unknown), unknown)


async def test_one_key_of_two_tenants_is_two_keys(world: World) -> None:
    """Settled question 6: a kept reply never crosses tenants."""
    replies = [await world.create(await store(world), key="the-same") for _ in range(2)]

    assert [reply.status_code for reply in replies] == [201, 201]
    assert replies[0].json()["data"]["session_id"] != replies[1].json()["data"]["session_id"]
