"""I14 over all surfaces: an answer that is not 2xx has created nothing and charged nothing.

Every creating route gets its valid request spoiled in every way we can think of; rows, balances and objects are
counted before and after. What is accepted all the same is allowed to finish, and counting starts again.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from minio import Minio

from whole_system.surfaces import SURFACES, CreateRequest, build_create_requests
from whole_system.waits import NotYet, eventually
from whole_system.world import World

WRONG: tuple[Any, ...] = (None, 7, -1, "", "x" * 70_000, [], {}, ["x"], {"x": 1}, 1e308, True)


@dataclass(frozen=True)
class Spoiled:
    """That request, spoiled; ``how`` is for the failure's message."""

    how: str
    content: bytes
    headers: Mapping[str, str]


@pytest.mark.parametrize("surface", SURFACES)
async def test_what_is_not_accepted_leaves_nothing_behind(world: World, surface: str) -> None:
    create = (await build_create_requests(world))[surface]
    before = await _wait_for_rest(world)
    refusals = set()

    async with httpx.AsyncClient(base_url=world.url, timeout=60) as client:
        for spoiled in _spoilings(create):
            answer = await client.post(create.path, content=spoiled.content, headers=spoiled.headers)
            if answer.is_success:
                before = await _wait_for_rest(world)
                continue
            refusals.add(answer.status_code)
            assert answer.status_code < 500, f"{spoiled.how}: {answer.text}"
            assert await _count_rows(world) == before, f"{spoiled.how}: {answer.status_code} {answer.text}"

    assert {400, 401} <= refusals


def _spoilings(create: CreateRequest) -> Iterator[Spoiled]:
    """Each field gone and wrong in turn, unknown fields, bodies that are no JSON, credentials that are not."""
    valid = {**create.headers, "Content-Type": "application/json"}

    def with_body(how: str, body: object) -> Spoiled:
        return Spoiled(how, json.dumps(body).encode(), valid)

    for field in create.body:
        yield with_body(f"without {field}", {k: v for k, v in create.body.items() if k != field})
        for value in WRONG:
            yield with_body(f"{field} = {str(value)[:20]!r}", {**create.body, field: value})
    for smuggled in ("tenant_id", "store_id", "owner", "credits", "price", "status", "n"):
        yield with_body(f"with {smuggled}", {**create.body, smuggled: -5})
    body = json.dumps(create.body).encode()
    for how, content in (("no body", b""), ("half a body", body[:-2]), ("a list", b"[]"), ("NaN", b'{"n": NaN}')):
        yield Spoiled(how, content, valid)
    yield Spoiled("deep nesting", b"[" * 50_000, valid)
    for how, header in (
        ("a stranger's token", {"Authorization": "Bearer nobody"}),
        ("a stranger's key", {"X-API-Key": "atl_000000000000_" + "0" * 64}),
    ):
        nobody = {k: v for k, v in valid.items() if k not in {"Authorization", "X-API-Key"}}
        yield Spoiled(how, body, {**nobody, **header})
    for how, header in (
        ("a key that is too long", {"Idempotency-Key": "k" * 256}),
        ("a simulation nobody knows", {"X-Atelier-Simulate": "outcome=miracle"}),
    ):
        yield Spoiled(how, body, {**valid, **header})


async def _count_rows(world: World) -> dict[str, int]:
    """Rows, credits in every account, objects in the store."""
    counts = await world.rows()
    # The saga of a declined request stays for operators: it holds nothing and nobody but they can see it.
    counts["session.sagas"] = await world.databases["session"].fetchval(
        "SELECT count(*) FROM sagas WHERE state <> 'rejected'"
    )
    for account in ("available", "held", "captured", "granted", "expired"):
        counts[account] = await world.databases["billing"].fetchval(f"SELECT sum({account})::bigint FROM accounts")
    counts["objects"] = await asyncio.to_thread(_objects, world.stack.environment())
    return counts


async def _wait_for_rest(world: World) -> dict[str, int]:
    """The counts, once what was accepted has come to its end and they change no more."""
    last: dict[str, int] = {}

    async def quiet() -> dict[str, int] | NotYet:
        nonlocal last
        await asyncio.sleep(0.3)
        last, before = await _count_rows(world), last
        moving = await world.count_moving_sagas()
        if last == before and moving == 0 and last["gateway.outbox"] == 0:
            return last
        return NotYet(f"{moving} sagas move, {last}")

    return await eventually(quiet)


def _objects(known: Mapping[str, str]) -> int:
    host = known["ATELIER_S3_ENDPOINT"].partition("://")[2]
    client = Minio(host, known["ATELIER_S3_ACCESS_KEY"], known["ATELIER_S3_SECRET_KEY"], secure=False)
    return sum(1 for _ in client.list_objects(known["ATELIER_S3_BUCKET"], recursive=True))
