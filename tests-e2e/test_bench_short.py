"""The short version of ``make bench``: many generations at once, and the books balance after it."""

from collections.abc import Sequence
from dataclasses import dataclass

import asyncpg
import pytest

from atelier_local.api_client.client import AdminClient
from atelier_local.bench import floor, load, overload, public_events
from atelier_local.bench.contenders import open_accounts
from atelier_local.bench.subscribers import AIO_PIKA, AMQPLIB, counter_with
from atelier_messaging.connection import connect_first
from whole_system.world import World

GENERATIONS = 200
FILLED = 5_000


async def test_fifty_in_flight_all_succeed_and_each_is_charged_once(world: World) -> None:
    known = world.stack.environment()
    keys = await open_accounts(world.admin, accounts=10)
    outcomes = load.OutcomeListener()
    before = await world.databases["billing"].fetchval("SELECT sum(captured) FROM accounts")

    async with await connect_first(known["ATELIER_AMQP_URL"]) as connection:
        await outcomes.subscribe(connection)
        measured = await load.run([world.url], keys, outcomes, in_flight=50, generations=GENERATIONS)

    captured = await world.databases["billing"].fetchval("SELECT sum(captured) FROM accounts")
    assert len(measured.journeys_s) == GENERATIONS
    assert captured - (before or 0) == GENERATIONS


@dataclass(frozen=True)
class Loaded:
    """The stack of the tests under the bench's load."""

    world: World
    keys: Sequence[str]
    outcomes: load.OutcomeListener

    @property
    def admin(self) -> AdminClient:
        return self.world.admin

    async def load(self, in_flight: int, generations: int) -> load.LoadResult:
        return await load.run([self.world.url], self.keys, self.outcomes, in_flight=in_flight, generations=generations)


@pytest.mark.timeout(400)
async def test_a_subscriber_under_load_and_a_replay_beside_it_get_every_event(world: World) -> None:
    """The rates are ``make bench``'s; here it counts that every event arrives."""
    known = world.stack.environment()
    amqp_url = known["ATELIER_AMQP_URL"]
    keys = await open_accounts(world.admin, accounts=5)
    outcomes = load.OutcomeListener()
    logged = "SELECT count(*) FROM public_events"
    before = await world.databases["gateway"].fetchval(logged)

    async with await connect_first(amqp_url) as connection:
        await outcomes.subscribe(connection)
        stack = Loaded(world, keys, outcomes)
        publishing = await public_events.measure_publishing(
            stack, amqp_url, counter_with(AIO_PIKA), rounds=1, generations=100
        )
        grown = await world.databases["gateway"].fetchval(logged)
        owner = await asyncpg.connect(known["ATELIER_GATEWAY_OWNER_DATABASE_URL"])
        await public_events.fill_log(owner, FILLED)
        replay = await public_events.measure_replay(
            stack, amqp_url, counter_with(AMQPLIB), owner, alone_s=3, live_per_s=3
        )
        await owner.close()

    assert grown - before >= 2 * 100 * 4
    assert publishing.received >= 100 * 4
    assert replay.events >= grown + FILLED
    assert replay.alone.per_second > 0


async def test_the_floor_runs_the_same_generations(world: World) -> None:
    url = world.stack.environment()["ATELIER_BILLING_OWNER_DATABASE_URL"]

    assert await floor.measure(url, in_flight=5, generations=50) > 0


async def test_overload_by_one_owner_lets_the_others_through(world: World) -> None:
    """The ratios are ``make bench``'s; here it counts that every good request is answered, and how the others are."""
    known = world.stack.environment()
    (key,) = await open_accounts(world.admin, accounts=1)
    poor = await world.admin.create_store("Without credits")

    pictures = await overload.measure_beside_large_pictures(world.url, poor.api_key, key, samples=5)
    logins = await overload.measure_beside_wrong_logins(world.url, key, samples=20)
    memory = await overload.measure_large_bodies(world.url, key, int(known["ATELIER_GATEWAY_PID"]), bodies=1)

    assert 402 in pictures.overload and set(pictures.overload) <= {402, 429}
    assert set(logins.overload) <= {401, 429}
    assert set(memory.answers) == {401}  # photos on models are for users
