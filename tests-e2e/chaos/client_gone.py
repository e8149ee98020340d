"""Clients that are gone, at every class of bytes of a waiting create: what they did not get, they do not pay for.

Without an Idempotency-Key. Where the answer has begun to flow no one can know how much of it arrived: there the promise
is one charge for one generation, and no second one.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import httpx

from whole_system.surfaces import CreateRequest, build_create_requests
from whole_system.waits import eventually
from whole_system.world import World

Moment = Literal["before the body is whole", "before it is admitted", "while it waits", "while the answer is read"]
MOMENTS: tuple[Moment, ...] = (
    "before the body is whole",
    "before it is admitted",
    "while it waits",
    "while the answer is read",
)
WAITING = {"images": "images", "on-model": "onmodel", "native": "native", "openai": "openai"}
"""The surfaces that wait, and what the gateway's table calls them."""
RENDER_MS = 15_000
"""Longer than it takes until all of them wait, on a busy machine."""
REST_S_MAX = 90.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class SurfaceResult:
    """What the generations of one surface came to."""

    states: Counter[str]
    captured: int
    price: int


async def run(world: World, say: Say, *, each: int = 5) -> list[str]:
    """``each`` clients on each surface that are gone at each moment; answers what is wrong."""
    wrong: list[str] = []
    for moment in MOMENTS:
        began = await world.databases["gateway"].fetchval("SELECT clock_timestamp()")
        routes = await build_create_requests(world)
        routes["openai"].body["response_format"] = "url"
        log = world.stack.profile.home / "logs" / "gateway.log"
        read = log.stat().st_size
        await asyncio.gather(
            *(_leave(world, routes[surface], moment, began, each) for surface in WAITING for _ in range(each))
        )
        await _wait_until_served(
            log, read, {routes[surface].path.partition("?")[0] for surface in WAITING}, each * len(WAITING)
        )
        await _wait_for_rest(world, began)
        found = {surface: await _read_result(world, table, began) for surface, table in WAITING.items()}
        wrong += [line for surface in WAITING for line in _violations(surface, moment, each, found[surface])]
        say(f"gone {moment}: " + ", ".join(f"{name} {dict(result.states)}" for name, result in found.items()))
        if moment != "while the answer is read":
            wrong += [line async for line in _retry_violations(world, routes["openai"], moment)]
    wrong += [f"the books: {line}" for line in (await world.admin.verify_ledger()).violations]
    return wrong


async def _leave(world: World, create: CreateRequest, moment: Moment, began: object, each: int) -> None:
    body = json.dumps(create.body).encode()
    orders = f"outcome=succeed, picture=none, delay_ms={200 if moment == 'while the answer is read' else RENDER_MS}"
    headers = {**create.headers, "X-Atelier-Simulate": orders, "Prefer": "wait=30", "Content-Type": "application/json"}
    address = urlsplit(world.url)
    head = [f"POST {create.path} HTTP/1.1", f"Host: {address.netloc}"]
    head += [f"{name}: {value}" for name, value in headers.items()] + [f"Content-Length: {len(body)}", "", ""]
    sent = body[: len(body) // 2] if moment == "before the body is whole" else body
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write("\r\n".join(head).encode() + sent)
    with suppress(OSError):
        await writer.drain()
        if moment == "while it waits":
            await _wait_until_rendering(world, began, each * len(WAITING))
        if moment == "while the answer is read":
            await reader.readexactly(1)
    writer.transport.abort()


async def _wait_until_rendering(world: World, began: object, count: int) -> None:
    """Until all of them are under way."""

    async def look() -> bool | None:
        query = "SELECT count(*) FROM generations WHERE created_at >= $1 AND state <> 'accepted'"
        return await world.databases["gateway"].fetchval(query, began) >= count or None

    await eventually(look)


async def _wait_until_served(log: Path, read: int, paths: Collection[str], count: int) -> None:
    """Until the gateway is through with so many POSTs: each has a line in its log, also one whose client has left."""

    async def look() -> bool | None:
        with log.open(errors="replace") as lines:
            lines.seek(read)
            posts = [line for line in lines if '"method": "POST"' in line]
        return sum(any(f'"path": "{path}"' in line for path in paths) for line in posts) >= count or None

    await eventually(look, within_s=REST_S_MAX)


async def _wait_for_rest(world: World, began: object) -> None:
    async def look() -> bool | None:
        query = "SELECT count(*) FROM generations WHERE created_at >= $1 AND rank < 9"
        return await world.count_moving_sagas() + await world.databases["gateway"].fetchval(query, began) == 0 or None

    with suppress(TimeoutError):
        await eventually(look, within_s=REST_S_MAX)


async def _read_result(world: World, surface: str, began: object) -> SurfaceResult:
    query = (
        "SELECT state, count(*) AS count, sum(credits_captured) AS captured, max(price) AS price"
        " FROM generations WHERE surface = $1 AND created_at >= $2 GROUP BY 1"
    )
    rows = await world.databases["gateway"].fetch(query, surface, began)
    states = Counter({row["state"]: row["count"] for row in rows})
    return SurfaceResult(states, sum(row["captured"] for row in rows), max((row["price"] for row in rows), default=0))


def _violations(surface: str, moment: Moment, each: int, result: SurfaceResult) -> list[str]:
    states = result.states
    match moment:
        case "before the body is whole":
            right = not states
        case "before it is admitted":
            # One whose connection was closed before its body was read does not exist at all.
            right = set(states) <= {"cancelled"} and states.total() <= each and not result.captured
        case "while it waits":
            right = states == {"cancelled": each} and not result.captured
        case "while the answer is read":
            right = states == {"succeeded": each} and result.captured == each * result.price
    return [] if right else [f"{surface}, gone {moment}: {dict(states)}, {result.captured} charged"]


async def _retry_violations(world: World, create: CreateRequest, moment: Moment) -> AsyncIterator[str]:
    """The same call's automatic retry, from a client that stays: it gets its picture, for one charge."""
    headers = {**create.headers, "x-stainless-retry-count": "1"}
    began = await world.databases["gateway"].fetchval("SELECT clock_timestamp()")
    async with httpx.AsyncClient(base_url=world.url, headers=headers, timeout=60, trust_env=False) as client:
        answer = await client.post(create.path, json=create.body)
    found = await _read_result(world, "openai", began)
    if answer.status_code != 200 or found.states != {"succeeded": 1} or found.captured != found.price:
        outcome = f"{answer.status_code}, {dict(found.states)}, {found.captured} charged"
        yield f"the retry of who was gone {moment}: {outcome}"
