"""The short version of ``make bench``: many generations at once, and the books balance after it."""

from atelier_local.bench import floor, load
from atelier_local.bench.command import open_accounts
from atelier_messaging.connection import connect_first
from whole_system.world import World

GENERATIONS = 200


async def test_fifty_in_flight_all_succeed_and_each_is_charged_once(world: World) -> None:
    known = world.stack.environment()
    keys = await open_accounts(world.admin, accounts=10)
    endings = load.Endings()
    before = await world.databases["billing"].fetchval("SELECT sum(captured) FROM accounts")

    async with await connect_first(known["ATELIER_AMQP_URL"]) as connection:
        await endings.listen(connection)
        measured = await load.run(world.url, keys, endings, in_flight=50, generations=GENERATIONS)

    captured = await world.databases["billing"].fetchval("SELECT sum(captured) FROM accounts")
    assert len(measured.journeys_s) == GENERATIONS
    assert captured - (before or 0) == GENERATIONS


async def test_the_floor_runs_the_same_generations(world: World) -> None:
    url = world.stack.environment()["ATELIER_BILLING_OWNER_DATABASE_URL"]

    assert await floor.measure(url, in_flight=5, generations=50) > 0
