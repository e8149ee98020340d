"""The short version of ``make bench``: many generations at once, and the books balance after it."""

from atelier_local.bench import floor, load, overload
from atelier_local.bench.contenders import open_accounts
from atelier_messaging.connection import connect_first
from whole_system.world import World

GENERATIONS = 200


async def test_fifty_in_flight_all_succeed_and_each_is_charged_once(world: World) -> None:
    known = world.stack.environment()
    keys = await open_accounts(world.admin, accounts=10)
    outcomes = load.OutcomeListener()
    before = await world.databases["billing"].fetchval("SELECT sum(captured) FROM accounts")

    async with await connect_first(known["ATELIER_AMQP_URL"]) as connection:
        await outcomes.subscribe(connection)
        measured = await load.run(world.url, keys, outcomes, in_flight=50, generations=GENERATIONS)

    captured = await world.databases["billing"].fetchval("SELECT sum(captured) FROM accounts")
    assert len(measured.journeys_s) == GENERATIONS
    assert captured - (before or 0) == GENERATIONS


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
