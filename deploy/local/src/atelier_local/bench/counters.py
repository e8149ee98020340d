"""What a generation costs in counted things, which no load of the machine changes: statements, commits, frames, WAL.

Statements are those that Postgres executes for the four services, ``BEGIN`` and ``COMMIT`` among them. Commits are
transactions that wrote. A frame is one AMQP publish to the exchange of all messages; it carries one message or many.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aio_pika
import asyncpg
from aio_pika.abc import AbstractIncomingMessage

from atelier_contracts.bundle import unpack
from atelier_local.launcher.profile import SERVICES

PRELOAD = "pg_stat_statements"
SETTLE_S = 1.0
"""Until what follows the last generation (acknowledgements, the outbox's deletes) is done."""

_STATEMENTS = """
SELECT d.datname, sum(s.calls) AS calls FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid
WHERE d.datname = ANY($1::text[]) GROUP BY d.datname
"""
_WRITTEN = "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS wal, pg_snapshot_xmax(pg_current_snapshot())::text AS xid"


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one window of time, or of one generation. ``by_service`` are the statements of each service, ``by_message``
    the messages of each name."""

    statements: float
    commits: float
    wal_bytes: float
    frames: float
    messages: float
    by_service: dict[str, float] = field(default_factory=dict)
    by_message: dict[str, float] = field(default_factory=dict)

    def since(self, earlier: "Counts", generations: int = 1) -> "Counts":
        """What has been added to ``earlier``, shared out among the generations."""

        def share(name: str) -> float:
            more: float = getattr(self, name) - getattr(earlier, name)
            return more / generations

        def shares(name: str) -> dict[str, float]:
            before = getattr(earlier, name)
            return {key: (value - before.get(key, 0.0)) / generations for key, value in getattr(self, name).items()}

        return Counts(
            share("statements"), share("commits"), share("wal_bytes"), share("frames"), share("messages"),
            shares("by_service"), shares("by_message"),
        )  # fmt: skip


class StackCounters:
    """Counts on a running stack, between any two moments."""

    def __init__(self, postgres: asyncpg.Connection, frames: "FrameCounter") -> None:
        self._postgres, self._frames = postgres, frames

    async def count(self, act: Callable[[], Awaitable[object]]) -> tuple[Counts, float]:
        """What happened while ``act`` ran and settled, and how many seconds that took."""
        clock = asyncio.get_running_loop().time
        began, before = clock(), await self._read()
        await act()
        await asyncio.sleep(SETTLE_S)
        after = await self._read()
        return after.since(before), clock() - began

    async def count_each(self, act: Callable[[], Awaitable[object]], generations: int) -> Counts:
        """What one generation of ``act`` costs, less what the stack does in the same time without any."""
        busy, took = await self.count(act)
        idle, _ = await self.count(lambda: asyncio.sleep(max(0.0, took - SETTLE_S)))
        return busy.since(idle, generations)

    async def _read(self) -> Counts:
        rows = await self._postgres.fetch(_STATEMENTS, list(SERVICES))
        written = await self._postgres.fetchrow(_WRITTEN)
        assert written is not None
        by_service = {row["datname"]: float(row["calls"]) for row in rows}
        frames, by_message = self._frames.frames, {name: float(n) for name, n in self._frames.messages.items()}
        return Counts(
            statements=sum(by_service.values()), commits=float(written["xid"]), wal_bytes=float(written["wal"]),
            frames=float(frames), messages=sum(by_message.values()), by_service=by_service, by_message=by_message,
        )  # fmt: skip


class FrameCounter:
    """Receives a copy of each frame on the bus."""

    def __init__(self) -> None:
        self.frames = 0
        self.messages: Counter[str] = Counter()

    async def subscribe(self, connection: aio_pika.abc.AbstractConnection) -> None:
        """Starts to count."""
        channel = await connection.channel()
        queue = await channel.declare_queue(exclusive=True)
        await queue.bind(await channel.get_exchange("atelier"), "#")
        await queue.consume(self._on_frame, no_ack=True)

    async def _on_frame(self, frame: AbstractIncomingMessage) -> None:
        self.frames += 1
        for message in unpack(frame.body, frame.headers, content_type=frame.content_type, message_id=""):
            self.messages[str(message.headers["cloudEvents:type"])] += 1


@asynccontextmanager
async def open_counters(postgres_url: str, connection: aio_pika.abc.AbstractConnection) -> AsyncIterator[StackCounters]:
    """Counters on the stack whose superuser's address this is. While they are open, WAL holds no full pages and no
    vacuum runs: both depend on when the last checkpoint was, not on the generations."""
    postgres = await asyncpg.connect(postgres_url)
    try:
        await postgres.execute(f"CREATE EXTENSION IF NOT EXISTS {PRELOAD}")
        for setting in ("full_page_writes", "autovacuum"):
            await postgres.execute(f"ALTER SYSTEM SET {setting} = off")
        await postgres.execute("SELECT pg_reload_conf()")
        frames = FrameCounter()
        await frames.subscribe(connection)
        await asyncio.sleep(SETTLE_S)
        yield StackCounters(postgres, frames)
    finally:
        for setting in ("full_page_writes", "autovacuum"):
            await postgres.execute(f"ALTER SYSTEM RESET {setting}")
        await postgres.execute("SELECT pg_reload_conf()")
        await postgres.close()


async def preload(postgres_url: str) -> bool:
    """Makes the server count statements from its next start on; False where it does already."""
    postgres = await asyncpg.connect(postgres_url)
    try:
        if PRELOAD in await postgres.fetchval("SHOW shared_preload_libraries"):
            return False
        await postgres.execute(f"ALTER SYSTEM SET shared_preload_libraries = '{PRELOAD}'")
        return True
    finally:
        await postgres.close()
