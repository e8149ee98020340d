"""What runs against each other: builds of Atelier, and what the database alone allows; the same generations each."""

import asyncio
import os
import statistics
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Protocol

import aio_pika
import asyncpg

from atelier_local.api_client.client import AdminClient
from atelier_local.bench import batch_floor, floor, load
from atelier_local.bench.builds import Build
from atelier_local.bench.growth import grow
from atelier_local.bench.processor_time import milliseconds_each, processor_time
from atelier_local.bench.variants import set_caps, turn_receipts_off
from atelier_local.errors import StackError
from atelier_local.launcher.profile import SERVICES
from atelier_local.launcher.replica import Replica, open_replica
from atelier_messaging.connection import connect_first

ACCOUNTS = 50
CREDITS_EACH = 1_000_000
FLOOR_CONNECTIONS_MAX = 50
WARM_UP = 150
_SIZE = "SELECT sum(pg_database_size(datname))::bigint FROM pg_database WHERE datname = ANY($1::text[])"


@dataclass(frozen=True, slots=True)
class Sample:
    """One contender, one level, one round. Rates in generations a second, times in milliseconds; ``cpu_ms`` of one
    generation by component; ``load`` is the machine's load average after it."""

    contender: str
    in_flight: int
    round: int
    per_second: float
    journeys_ms: dict[str, float] = field(default_factory=dict)
    admissions_ms: dict[str, float] = field(default_factory=dict)
    cpu_ms: dict[str, float] = field(default_factory=dict)
    load: float = 0.0


class Contender(Protocol):
    """Something that runs generations."""

    @property
    def name(self) -> str:
        """As in the tables."""
        ...

    async def run(self, in_flight: int, generations: int, /) -> Sample | None:
        """``generations`` whole generations, ``in_flight`` at a time; None where it has no such level."""
        ...


@dataclass(slots=True)
class AtelierContender:
    """A running stack of a build."""

    build: Build
    keys: Sequence[str]
    outcomes: load.OutcomeListener
    connection: aio_pika.abc.AbstractConnection
    admin: AdminClient
    second: Sequence[Replica] = ()
    """Of each service, where the build is doubled."""
    generations: int = 0
    bytes_before: int = 0

    @property
    def name(self) -> str:
        return self.build.name

    @property
    def url(self) -> str:
        return self.build.environment()["ATELIER_URL"]

    async def load(self, in_flight: int, generations: int, *, accounts: int = ACCOUNTS) -> load.LoadResult:
        """Whole generations through the gateway, over so many of the accounts in turn."""
        self.generations += generations
        keys = self.keys[:accounts]
        urls = [self.url, *(replica.url for replica in self.second if replica.service == "gateway")]
        return await load.run(urls, keys, self.outcomes, in_flight=in_flight, generations=generations)

    async def run(self, in_flight: int, generations: int) -> Sample:
        pids = self.build.pids() | {it.process.pid: it.service for it in self.second if it.process is not None}
        before = processor_time(self.build.home, pids)
        done = await self.load(in_flight, generations)
        used = milliseconds_each(before, processor_time(self.build.home, pids), generations)
        return Sample(
            self.name,
            in_flight,
            0,
            done.per_second,
            quantiles_ms(done.journeys_s),
            quantiles_ms(done.admissions_s),
            used,
        )

    async def stored_bytes(self) -> float:
        """What the four databases have grown by for each generation since it was warm, dead rows included."""
        return (await database_bytes(self.build) - self.bytes_before) / self.generations

    async def verify(self) -> int:
        """How many postings were proved; raises StackError where the books do not balance."""
        verdict = await self.admin.verify_ledger()
        if not verdict.ok:
            raise StackError(f"the ledger of {self.name} does not balance: {'; '.join(verdict.violations)}")
        return verdict.entries


@dataclass(frozen=True, slots=True)
class FloorContender:
    """The four transactions alone, one process."""

    url: str
    name: str = "bare floor"

    async def run(self, in_flight: int, generations: int) -> Sample:
        connections = min(in_flight, FLOOR_CONNECTIONS_MAX)
        return Sample(
            self.name, in_flight, 0, await floor.measure(self.url, in_flight=connections, generations=generations)
        )


@dataclass(frozen=True, slots=True)
class BatchedFloorContender:
    """The same transactions for as many generations at once as are in flight, on one connection."""

    url: str
    name: str = "batched floor"

    async def run(self, in_flight: int, generations: int) -> Sample | None:
        if in_flight == 1:
            return None
        rate = await batch_floor.measure(self.url, batch=in_flight, generations=generations * 5)
        return Sample(self.name, in_flight, 0, rate)


@asynccontextmanager
async def open_contender(build: Build, accounts: int = ACCOUNTS) -> AsyncIterator[AtelierContender]:
    """A running stack with accounts, warm."""
    known = build.environment()
    operations = known.get("ATELIER_OPERATIONS_URL", known["ATELIER_URL"])
    async with (
        AdminClient(operations, known["ATELIER_ADMIN_TOKEN"]) as admin,
        await connect_first(known["ATELIER_AMQP_URL"]) as connection,
        AsyncExitStack() as opened,
    ):
        outcomes = load.OutcomeListener()
        await outcomes.subscribe(connection)
        contender = AtelierContender(build, await open_accounts(admin, accounts), outcomes, connection, admin)
        if build.doubled:
            contender.second = [
                await opened.enter_async_context(open_replica(service, pid, build.home))
                for pid, service in build.pids().items()
            ]
        if build.capped:
            await set_caps(admin)
        if not build.receipts:
            await turn_receipts_off(build)
        await contender.load(10, WARM_UP)
        await asyncio.sleep(1)
        if build.grown:
            await grow(build, build.grown)
        contender.generations, contender.bytes_before = 0, await database_bytes(build)
        yield contender


async def database_bytes(build: Build) -> int:
    """Of the four services, tables and indexes."""
    connection = await asyncpg.connect(build.database_url("postgres"))
    try:
        size: int = await connection.fetchval(_SIZE, list(SERVICES))
    finally:
        await connection.close()
    return size


async def open_accounts(admin: AdminClient, accounts: int = ACCOUNTS) -> list[str]:
    """Stores with credits; answers their keys."""
    keys = []
    for number in range(accounts):
        store = await admin.create_store(f"Bench {number}")
        await admin.grant("store", store.id, CREDITS_EACH, reason="bench")
        keys.append(store.api_key)
    return keys


def quantiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """Median, 95th and 99th percentile in milliseconds."""
    if len(seconds) < 2:
        return {name: value * 1_000 for value in seconds for name in ("p50", "p95", "p99")}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {name: cuts[at] * 1_000 for name, at in (("p50", 49), ("p95", 94), ("p99", 98))}


def machine_load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]
