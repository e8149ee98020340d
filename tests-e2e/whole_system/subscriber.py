"""A subscriber of public events, as an operator makes it and as its author writes it; and one that comes last, which
rebuilds every balance from the beginning of the log."""

import asyncio
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from whole_system.world import World

ATELIER = Path(sys.executable).with_name("atelier")
COMMAND_S_MAX = 300
AGREES_S_MAX = 60.0
"""How long the events of what has happened may take to arrive."""
LOOK_EVERY_S = 0.5
CREDITS = (
    *("credits.granted.v1", "credits.expired.v1", "credits.held.v1", "credits.settled.v1", "credits.corrected.v1"),
)
_ACCOUNTS = "SELECT owner_id, available, held, captured FROM accounts"


def run_command(world: World, *arguments: str) -> str:
    """What ``atelier admin subscriptions`` printed."""
    command: list[str | Path] = [ATELIER, "admin", "subscriptions", *arguments]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("ATELIER_")}
    environment["PROFILE"] = world.stack.name
    done: subprocess.CompletedProcess[str] = subprocess.run(
        command, env=environment, capture_output=True, text=True, timeout=COMMAND_S_MAX
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@asynccontextmanager
async def subscription(world: World, *arguments: str) -> AsyncIterator[tuple[str, str]]:
    """A new subscription: its queue and its address; deleted with the block."""
    name = f"test-{uuid4().hex[:8]}"
    printed = await asyncio.to_thread(run_command, world, "create", name, *arguments)
    found = re.search(r"queue\s+(\S+)\s+address\s+(\S+)", printed)
    assert found, printed
    try:
        yield found[1], found[2]
    finally:
        await asyncio.to_thread(run_command, world, "delete", name)


@dataclass
class Accounts:
    """The balances of all owners, added up from events."""

    available: Counter[str] = field(default_factory=Counter)
    held: Counter[str] = field(default_factory=Counter)
    captured: Counter[str] = field(default_factory=Counter)
    events: int = 0
    repeated: int = 0
    _handled: set[str] = field(default_factory=set)

    def add(self, message: AbstractIncomingMessage) -> None:
        """One delivery; a repeated event counts once."""
        if message.message_id in self._handled:
            self.repeated += 1
            return
        self._handled.add(str(message.message_id))
        self.events += 1
        self._book(str(message.headers["cloudEvents:type"]), json.loads(message.body))

    def _book(self, type: str, data: Mapping[str, Any]) -> None:
        owner = data["owner"]["id"]
        match type:
            case "credits.granted.v1":
                self.available[owner] += data["credits"]
            case "credits.expired.v1":
                self.available[owner] -= data["credits"]
            case "credits.held.v1":
                self.available[owner] -= data["credits"]
                self.held[owner] += data["credits"]
            case "credits.settled.v1":
                self.held[owner] -= data["held"]
                self.captured[owner] += data["captured"]
                self.available[owner] += data["returned"]
            case "credits.corrected.v1" if data["correction"] == "return":
                self.captured[owner] -= data["credits"]
                self.available[owner] += data["credits"]
            case "credits.corrected.v1":
                self.available[owner] -= data["credits"]
            case _:
                raise AssertionError(f"{type} was not subscribed to")

    async def differences(self, world: World) -> list[str]:
        """Each owner whose balances are not those of the ledger."""
        books = {str(row["owner_id"]): row for row in await world.databases["billing"].fetch(_ACCOUNTS)}
        owners = books.keys() | self.available.keys() | self.held.keys() | self.captured.keys()
        return list(self._compare(books, sorted(owners)))

    def _compare(self, books: Mapping[str, Mapping[str, int]], owners: list[str]) -> Iterator[str]:
        for owner in owners:
            mine = {name: getattr(self, name)[owner] for name in ("available", "held", "captured")}
            theirs = {name: books[owner][name] if owner in books else 0 for name in mine}
            if mine != theirs:
                yield f"owner {owner}: events add up to {mine}, the ledger has {theirs}"


async def rebuild_balances(world: World) -> tuple[Accounts, list[str]]:
    """What a subscriber that is made now and reads from the beginning knows of every owner's credits, and where the
    ledger says otherwise when nothing more comes."""
    accounts = Accounts()
    async with (
        subscription(world, "--from-beginning", "--events", ",".join(CREDITS)) as (queue, address),
        await aio_pika.connect(address) as connection,
    ):
        channel = await connection.channel()
        await channel.set_qos(200)
        reading = asyncio.create_task(_read(await channel.get_queue(queue), accounts))
        try:
            return accounts, await _wait_until_equal(world, accounts)
        finally:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)  # it leaves its queue before the connection closes


async def _read(queue: aio_pika.abc.AbstractQueue, accounts: Accounts) -> None:
    async with queue.iterator() as messages:
        async for message in messages:
            accounts.add(message)
            await message.ack()


async def _wait_until_equal(world: World, accounts: Accounts) -> list[str]:
    clock = asyncio.get_running_loop().time
    ends_at = clock() + AGREES_S_MAX
    while (wrong := await accounts.differences(world)) and clock() < ends_at:  # noqa: ASYNC110 - rows and messages
        await asyncio.sleep(LOOK_EVERY_S)
    return wrong


async def drain(address: str, queue: str, count: int) -> list[AbstractIncomingMessage]:
    """So many messages, with plain aio-pika."""
    async with await aio_pika.connect(address) as connection:
        channel = await connection.channel()
        await channel.set_qos(100)
        found: list[AbstractIncomingMessage] = []
        async with (await channel.get_queue(queue)).iterator(timeout=60) as messages:
            async for message in messages:
                await message.ack()
                found.append(message)
                if len(found) == count:
                    return found
    raise AssertionError(f"{len(found)} of {count} messages")
