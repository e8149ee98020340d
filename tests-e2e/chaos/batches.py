"""A batch whose services are all killed on the way: ``python -m chaos.batches [rows]``. What is captured is what was
delivered, row by row, and no row is made twice.

One row in twenty fails. At a quarter, the half and three quarters of the rows gateway, session, billing and render are
killed (-9) at once. In the end the batch, its rows, the sagas, the holds and the account must agree.
"""

import asyncio
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp

from atelier_local.launcher.stack import Stack
from chaos.run import SETTINGS
from whole_system.shops import open_store, read_books
from whole_system.waits import NotYet, eventually
from whole_system.world import World

PROFILE = "batches-chaos"
ROWS = 10_000
FAILS_EVERY = 20
"""One row in so many brings nothing."""
SERVICES = ("gateway", "session", "billing", "render")
KILLED_AT = (0.25, 0.5, 0.75)
"""Shares of the rows that have ended when all services are killed."""
WORK = "delay_ms=50, picture=none"
IMAGE = {"kind": "image", "prompt": "a red bicycle", "size": "256x256"}
PATH = "/v1/generation-batches"
OPEN = ("waiting", "under_way")
REQUEST_S_MAX = 60.0
LOOK_EVERY_S = 0.2
ROWS_A_SECOND_MIN = 2
"""Below this a run is given up."""
SETTLES_S_MAX = 120.0
Say = Callable[[str], object]


@dataclass(slots=True)
class Report:
    """What a run saw; nothing is ``wrong`` where it kept the promise."""

    rows: int
    seconds: float = 0.0
    kills: int = 0
    delivered: int = 0
    captured: int = 0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        said = f"{self.rows} rows in {self.seconds:.0f} s, {self.kills} times all services killed: "
        return said + f"{self.delivered} delivered, {self.captured} credits captured"


def lines(rows: int) -> bytes:
    """The rows, as JSON lines."""
    return b"".join(
        json.dumps(
            {
                "custom_id": f"row-{number}",
                "request": IMAGE,
                "simulate": f"outcome={'succeed' if number % FAILS_EVERY else 'fail'}, {WORK}",
            }
        ).encode()
        + b"\n"
        for number in range(rows)
    )


async def run(world: World, rows: int, *, kills: Sequence[float] = KILLED_AT, say: Say = lambda _: None) -> Report:
    """One batch of so many rows, its services killed at these shares of it, then the questions."""
    owner, key = await open_store(world, 0)
    report, began = Report(rows), time.monotonic()
    timeout = aiohttp.ClientTimeout(total=REQUEST_S_MAX)
    async with aiohttp.ClientSession(world.url, headers={"X-API-Key": key}, timeout=timeout) as client:
        headers = {"Content-Type": "application/jsonl"}
        quote = await _post(client, f"{PATH}/quotes", lines(rows), headers)
        await world.admin.grant("store", owner, quote["credits"], reason="exactly the quote")
        batch = await _post(client, PATH, lines(rows), headers)
        for share in kills:
            await _wait_for(client, batch["id"], rows, partial(_has_ended, rows=int(share * rows)))
            say(f"{share:.0%} of the rows have ended: all services are killed")
            await _kill_all(world)
            report.kills += 1
        done = await _wait_for(client, batch["id"], rows, lambda now: now["status"] == "completed")
        report.seconds = time.monotonic() - began
        shown = await _load_rows(client, batch["id"])
    await _check(world, owner, done, shown, report)
    return report


async def _kill_all(world: World) -> None:
    before = {service: world.stack.pid(service) for service in SERVICES}
    for service in SERVICES:
        world.stack.kill(service, signal.SIGKILL)

    async def are_replaced() -> bool | None:
        return all(world.stack.pid(service) not in (pid, None) for service, pid in before.items()) or None

    await eventually(are_replaced)
    for service in SERVICES:
        await asyncio.to_thread(world.stack.wait_ready, service)


async def _wait_for(
    client: aiohttp.ClientSession, id_: str, rows: int, holds: Callable[[Mapping[str, Any]], bool]
) -> Mapping[str, Any]:
    async def look() -> Mapping[str, Any] | NotYet:
        await asyncio.sleep(LOOK_EVERY_S)
        try:
            now = await _get(client, f"{PATH}/{id_}")
        except (aiohttp.ClientError, TimeoutError) as error:
            return NotYet(repr(error))
        return now if holds(now) else NotYet(now["rows"])

    return await eventually(look, within_s=SETTLES_S_MAX + rows / ROWS_A_SECOND_MIN)


async def _get(client: aiohttp.ClientSession, path: str) -> Any:
    async with client.get(path) as reply:
        reply.raise_for_status()
        return await reply.json()


async def _post(client: aiohttp.ClientSession, path: str, body: bytes, headers: Mapping[str, str]) -> Any:
    async with client.post(path, data=body, headers=headers) as reply:
        assert reply.ok, await reply.text()
        return await reply.json()


async def _load_rows(client: aiohttp.ClientSession, id_: str) -> list[Mapping[str, Any]]:
    found: list[Mapping[str, Any]] = []
    cursor = "0"
    while cursor is not None:
        page = await _get(client, f"{PATH}/{id_}/rows?limit=100&cursor={cursor}")
        found += page["data"]
        cursor = page["next_cursor"]
    return found


def _has_ended(now: Mapping[str, Any], *, rows: int) -> bool:
    return int(now["rows"]["total"]) - sum(int(now["rows"][word]) for word in OPEN) >= rows


async def _check(
    world: World, owner: str, done: Mapping[str, Any], shown: Sequence[Mapping[str, Any]], report: Report
) -> None:
    rows, price = report.rows, done["credits"]["quoted"] // report.rows
    failing = len(range(0, rows, FAILS_EVERY))
    report.delivered = sum(row["status"] == "succeeded" for row in shown)
    available, held, report.captured = await read_books(world, owner)
    session, billing = world.databases["session"], world.databases["billing"]
    made = await session.fetchval("SELECT count(*) FROM sagas WHERE owner_id = $1::uuid AND state = 'succeeded'", owner)
    failed = await session.fetchval("SELECT count(*) FROM sagas WHERE owner_id = $1::uuid AND state = 'failed'", owner)
    charged = await billing.fetchval("SELECT coalesce(sum(captured), 0) FROM holds WHERE owner_id = $1::uuid", owner)
    expected: Mapping[str, tuple[object, object]] = {
        "rows by their names": (len({row["custom_id"] for row in shown}), rows),
        "rows that succeeded": (report.delivered, rows - failing),
        "rows that failed": (done["rows"]["failed"], failing),
        "generations that succeeded": (made, report.delivered),
        "generations that failed": (failed, failing),
        "captured, as the holds say": (charged, report.delivered * price),
        "captured, as the batch says": (done["credits"]["captured"], report.delivered * price),
        "captured, as the rows say": (sum(row["credits"]["captured"] for row in shown), report.delivered * price),
        "the account": ((available, held, report.captured), (failing * price, 0, report.delivered * price)),
    }
    report.wrong += [f"{what}: {seen}, not {due}" for what, (seen, due) in expected.items() if seen != due]
    verdict = await world.admin.verify_ledger()
    report.wrong += [f"the books: {line}" for line in verdict.violations]


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


async def main(rows: int) -> int:
    """Runs it on a stack of its own; 1 where something is wrong."""
    stack = Stack(PROFILE, env=SETTINGS)
    try:
        await asyncio.to_thread(stack.up)
        async with World.of(stack) as world:
            report = await run(world, rows, say=_say)
    finally:
        await asyncio.to_thread(stack.clean)
    _say(str(report))
    for line in report.wrong:
        _say(f"WRONG: {line}")
    return 1 if report.wrong else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else ROWS)))
