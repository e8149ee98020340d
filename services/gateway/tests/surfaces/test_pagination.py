"""Pages of lists: the number that is judged is the number that is used, on every list there is."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from atelier_gateway.web.pagination import DIGITS_MAX, parse_number
from atelier_gateway.web.problems import Problem

from ..support.isolation import FAMILIES, Headers, create_batch, hook, member, store, user
from ..support.world import ADMIN, World

OF_PAGES = ("limit", "page", "pageSize")
LENGTHS = (DIGITS_MAX + 1, 5_000)
"""Digits; Python itself refuses to read the last one."""


@pytest.mark.parametrize("text", ["1", "100", "007", "0" * (DIGITS_MAX - 2) + "10"])
def test_a_number_counts_by_its_value(text: str) -> None:
    assert parse_number({"limit": text}, "limit", default=20, most=100) == int(text)


@pytest.mark.parametrize(
    "text", ["", "0", "101", "-1", "+5", "1.0", "1e2", " 5", "٥", "²", "000000001000", *("9" * n for n in LENGTHS)]
)
def test_what_is_no_number_of_a_page_is_refused(text: str) -> None:
    with pytest.raises(Problem) as refused:
        parse_number({"limit": text}, "limit", default=20, most=100)

    assert (refused.value.code, refused.value.details["errors"][0]["field"]) == ("invalid_request", "limit")


async def _lists(world: World) -> AsyncIterator[tuple[str, str]]:
    """(path, parameter) of each parameter that says how much of a list is wanted."""
    for path, operations in (await world.client.get("/openapi.json")).json()["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", ()):
            if parameter["name"] in OF_PAGES:
                yield path, parameter["name"]


async def _owner_of(world: World, path: str, headers: Headers) -> str:
    """The id of something that has a list of its own."""
    if path.startswith("/v1/webhooks/"):
        return await hook(world, headers)
    if path.startswith("/v1/generation-batches/"):
        return await create_batch(world, headers)
    if path.startswith("/v1/admin/stores/"):
        return str((await world.store())[0])
    return (await member(world))["X-Workspace-Id"]


async def _credentials(world: World) -> Mapping[str, Headers]:
    return {
        "/api/v1/": await store(world),
        "/v1/admin/": ADMIN,
        "/api/ai/": await member(world),
        "/v1/client-tokens": await store(world),
        "/": await user(world),
    }


@pytest.mark.stack
async def test_every_list_caps_its_pages_by_value(world: World) -> None:
    credentials, tried = await _credentials(world), 0

    async for path, name in _lists(world):
        headers = next(credential for prefix, credential in credentials.items() if path.startswith(prefix))
        if "{id}" in path:
            path = path.replace("{id}", await _owner_of(world, path, headers))
        for text in ("0" * 9 + "1000001", "000000001" + "9" * 39, "9" * 5_000):
            reply = await world.client.get(path, headers=headers, params={name: text})
            assert reply.status_code == 400, (path, name, text[:20], reply.text)
        assert (await world.client.get(path, headers=headers, params={name: "0000000002"})).status_code == 200, path
        tried += 1

    assert tried >= 12


@pytest.mark.stack
@pytest.mark.parametrize(
    ("family", "path"),
    [
        ("/api/v1/generation/", "/api/v1/generation"),
        ("/api/generate/", "/api/generate/list"),
        ("/api/ai/images/", "/api/ai/images"),
        ("/v1/generations/", "/v1/generations"),
    ],
)
async def test_a_page_that_is_just_full_leads_nowhere(world: World, family: str, path: str) -> None:
    tenant = await FAMILIES[family].tenant(world)
    for _ in range(2):
        await FAMILIES[family].make(world, tenant)

    full, short = [(await world.client.get(f"{path}?limit={limit}", headers=tenant)).json() for limit in (2, 1)]

    assert cursor_in(full) is None and cursor_in(short) is not None


def cursor_in(reply: Any) -> Any:
    """In either spelling, under whichever envelope."""
    fields: dict[str, Any] = reply | (reply["data"] if isinstance(reply["data"], dict) else {})
    return fields["nextCursor" if "nextCursor" in fields else "next_cursor"]
