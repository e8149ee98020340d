"""``python -m atelier_local.bench.public_events``: what the public stream costs, and how fast a replay is.

Whole generations a second with one subscriber and without one, in turn; then a replay of many events to one subscriber
while another one receives those of a steady live load. On a stack of its own that is removed.
"""

import argparse
import asyncio
import contextlib
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import asyncpg

from atelier_local.api_client.client import AdminClient
from atelier_local.bench import load
from atelier_local.bench.builds import this_build
from atelier_local.bench.command import SETTINGS
from atelier_local.bench.contenders import machine_load, open_contender
from atelier_local.bench.machine import describe_machine
from atelier_local.bench.subscribers import (
    AIO_PIKA,
    AMQPLIB,
    SUBSCRIPTIONS,
    LiveDelivery,
    Subscriber,
    counter_with,
    subscriber,
)

PROFILE = "bench-events"
EVENTS = 1_000_000
ROUNDS = 6
IN_FLIGHT = 50
GENERATIONS = 1_000
LIVE_PER_S = 10.0
"""Generations a second of the live load: some fifty events a second."""
ALONE_S = 30.0
SAMPLE = 5_000
"""Events of the log that are copied, the last ones of generations: no copy changes a subscriber's sum of credits."""
STEP_S_MAX = 3_600.0

_FILL = """
WITH head AS (UPDATE public_event_head SET position = position + $1::bigint RETURNING position - $1::bigint AS before),
sample AS (SELECT row_number() OVER () - 1 AS place, s.* FROM (
    SELECT type, subject, at, traceparent, data FROM public_events WHERE type LIKE 'generation.%'
    ORDER BY position DESC LIMIT $2) s)
INSERT INTO public_events (position, id, type, subject, at, traceparent, data)
SELECT head.before + n.number, gen_random_uuid(), s.type, s.subject, s.at, s.traceparent, s.data
FROM head, generate_series(1, $1::bigint) AS n(number)
     JOIN sample s ON s.place = (n.number - 1) % (SELECT count(*) FROM sample)
"""


@dataclass(frozen=True, slots=True)
class Publishing:
    """Whole generations a second in each round, without a subscriber and with one."""

    without: Sequence[float]
    beside: Sequence[float]
    received: int
    """Events that the subscriber got, of all rounds."""

    @property
    def cost(self) -> float:
        """The share of the rate that the subscriber costs: the median of the rounds."""
        pairs = zip(self.without, self.beside, strict=True)
        return 1 - statistics.median(beside / without for without, beside in pairs)


@dataclass(frozen=True, slots=True)
class Replay:
    """A replay, and what the live subscriber got before it and while it ran."""

    events: int
    seconds: float
    alone: LiveDelivery
    meanwhile: LiveDelivery

    @property
    def per_second(self) -> float:
        """Events a second."""
        return self.events / self.seconds

    @property
    def slowed(self) -> float:
        """The share of the live rate that was lost."""
        return 1 - self.meanwhile.per_second / self.alone.per_second


class Loaded(Protocol):
    """A running stack under a load."""

    @property
    def admin(self) -> AdminClient:
        """Its operators' API."""
        ...

    async def load(self, in_flight: int, generations: int) -> load.LoadResult:
        """So many whole generations."""
        ...


async def measure_publishing(
    atelier: Loaded,
    amqp_url: str,
    counter: Sequence[str],
    *,
    rounds: int,
    generations: int,
    in_flight: int = IN_FLIGHT,
) -> Publishing:
    """Rounds in turn without and with a subscriber, the second one first in every other round."""
    rates: dict[bool, list[float]] = {False: [], True: []}
    received = 0
    for number in range(rounds):
        for has_subscriber in (False, True) if number % 2 == 0 else (True, False):
            if not has_subscriber:
                rates[False].append((await atelier.load(in_flight, generations)).per_second)
                continue
            async with subscriber(atelier.admin, amqp_url, counter) as reader:
                await _wait_until_ready(reader)
                rates[True].append((await atelier.load(in_flight, generations)).per_second)
                received += await _wait_until_caught_up(atelier.admin, reader)
    return Publishing(rates[False], rates[True], received)


async def fill_log(database: asyncpg.Connection, events: int) -> None:
    """Adds so many events to the log: copies of the last ones under new ids and positions. As the tables' owner."""
    await database.execute(_FILL, events, SAMPLE, timeout=STEP_S_MAX)
    await database.execute("ANALYZE public_events")


async def measure_replay(
    atelier: Loaded,
    amqp_url: str,
    counter: Sequence[str],
    database: asyncpg.Connection,
    *,
    alone_s: float = ALONE_S,
    live_per_s: float = LIVE_PER_S,
) -> Replay:
    """Replays the whole log to a new subscriber beside a steady live load."""
    stop = asyncio.Event()
    async with subscriber(atelier.admin, amqp_url, counter) as live:
        await _wait_until_ready(live)
        loading = asyncio.create_task(_load_steadily(atelier, live_per_s, stop))
        await asyncio.sleep(alone_s / 3)  # until it runs evenly
        since = len(live.reports)
        await asyncio.sleep(alone_s)
        alone, since = live.delivery(since), len(live.reports)
        events = int(await database.fetchval("SELECT count(*) FROM public_events"))
        began = time.monotonic()
        async with subscriber(atelier.admin, amqp_url, counter, {"from_beginning": True}) as late:
            async with asyncio.timeout(STEP_S_MAX):
                while late.events < events:  # noqa: ASYNC110 - another process reports it
                    await asyncio.sleep(0.1)
            seconds = late.reports[-1]["last_at"] - began
            meanwhile = live.delivery(since)
            replayed = late.events
        stop.set()
        await loading
    return Replay(replayed, seconds, alone, meanwhile)


async def _load_steadily(atelier: Loaded, per_s: float, stop: asyncio.Event) -> None:
    """Begins a generation every so often, however long the earlier ones take."""
    running: set[asyncio.Task[object]] = set()
    while not stop.is_set():
        task: asyncio.Task[object] = asyncio.create_task(atelier.load(1, 1))
        running.add(task)
        task.add_done_callback(running.discard)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 1 / per_s)
    await asyncio.gather(*running)


async def _wait_until_ready(reader: Subscriber) -> None:
    while not reader.reports:  # noqa: ASYNC110 - another process reports it
        await asyncio.sleep(0.1)


async def _wait_until_caught_up(admin: AdminClient, reader: Subscriber) -> int:
    """How many events the subscriber has got, once nothing waits for it in log or queue."""
    while True:
        rows = (await admin.ask("list", "GET", SUBSCRIPTIONS))["data"]
        row = next(row for row in rows if row["name"] == reader.name)
        before = reader.events
        await asyncio.sleep(1.2)
        if not row["behind"] and not row["queued"] and reader.events == before:
            return before


def lines(publishing: Publishing, replay: Replay) -> list[str]:
    """The results as sentences."""
    without, beside = (statistics.median(rates) for rates in (publishing.without, publishing.beside))
    return [
        f"public stream: {beside:.1f} generations/s with a subscriber, {without:.1f} without; it costs "
        f"{publishing.cost:.1%} (median of {len(publishing.without)} rounds, {publishing.received} events received)",
        f"replay: {replay.events:,} events at {replay.per_second:,.0f}/s; live delivery alone "
        f"{replay.alone.per_second:.1f} events/s, {replay.alone.age_ms:.0f} ms old; meanwhile "
        f"{replay.meanwhile.per_second:.1f}/s, {replay.meanwhile.age_ms:.0f} ms old: {replay.slowed:.1%} slower",
    ]


_say = partial(print, flush=True)


async def _measure(client: str, rounds: int, generations: int, events: int) -> None:
    counter = counter_with(client)
    build = this_build(PROFILE)
    amqp_url = build.environment()["ATELIER_AMQP_URL"]
    async with open_contender(build) as atelier:
        publishing = await measure_publishing(atelier, amqp_url, counter, rounds=rounds, generations=generations)
        for without, beside in zip(publishing.without, publishing.beside, strict=True):
            _say(
                f"  {without:.1f} generations/s without a subscriber, {beside:.1f} with one; load {machine_load():.1f}"
            )
        database = await asyncpg.connect(build.database_url("gateway"))
        await fill_log(database, events)
        replay = await measure_replay(atelier, amqp_url, counter, database)
        await database.close()
        _say(f"subscribers: {client}")
        for line in lines(publishing, replay):
            _say(line)
        _say(f"books in order: {await atelier.verify()} postings")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--events", type=int, default=EVENTS, help=f"in the log that is replayed; {EVENTS:,}")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"{ROUNDS}, each with and without a subscriber")
    parser.add_argument("--generations", type=int, default=GENERATIONS, help=f"a round; {GENERATIONS:,}")
    parser.add_argument("--client", choices=(AIO_PIKA, AMQPLIB), default=AIO_PIKA, help="of the subscriber")
    chosen = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # no stack outlives this command
    for line in describe_machine():
        _say(line)
    build = this_build(PROFILE)
    try:
        build.up(SETTINGS)
        asyncio.run(_measure(chosen.client, chosen.rounds, chosen.generations, chosen.events))
    finally:
        build.clean()


if __name__ == "__main__":
    main()
