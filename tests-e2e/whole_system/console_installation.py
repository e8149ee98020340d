"""An operator's questions about the installation: failures, queues, providers, the books, an upgrade."""

from uuid import UUID

import asyncpg
from playwright.async_api import Locator, expect
from uuid_utils.compat import uuid7

from atelier_contracts import RenderStarted, wrap
from atelier_contracts.routes import SESSION_SAGA
from whole_system.console_asker import SLOW, Open, ask, insert_submission, question
from whole_system.console_page import ConsolePage
from whole_system.console_scene import Shop, bury
from whole_system.waits import becomes, eventually
from whole_system.world import World


@question("what failed last night and why")
async def _failed(world: World, open_console: Open) -> None:
    shop = await Shop.of(world)
    failed = [await shop.order("outcome=fail") for _ in range(2)]
    async with open_console("viewer") as console:
        await console.go("Failures")
        await console.click(console.page.get_by_role("link", name="Last hour"))
        row = console.region("By cause").get_by_role("row").filter(has_text="provider_failed").first
        await expect(row).to_contain_text("the simulator was told to fail")
        await console.click(row.get_by_role("link", name=failed[-1][-12:]))
        await console.see_text("provider_failed: the simulator was told to fail")


@question("who has holds older than an hour")
async def _holds(world: World, open_console: Open) -> None:
    slow = await (shop := await Shop.of(world)).order(SLOW)
    older = "UPDATE holds SET created_at = now() - interval '3 hours' WHERE generation_id = $1"
    # Not even billing itself may change when a hold was placed.
    owner = await asyncpg.connect(world.stack.environment()["ATELIER_BILLING_OWNER_DATABASE_URL"])
    await owner.execute(older, UUID(slow))
    await owner.close()
    async with open_console("viewer") as console:
        await console.go("Books")
        row = console.region("Credits held for more than an hour").get_by_role("row").filter(has_text=slow[-12:])
        await expect(row).to_contain_text("3 h")
        await console.click(row.get_by_role("link", name="store"))
        await console.see("Night boutique")
    await shop.cancel(slow)


@question("which provider is slow")
async def _slow_provider(world: World, open_console: Open) -> None:
    shop = await Shop.of(world)
    await shop.order("outcome=succeed, delay_ms=1500, picture=none")
    async with open_console("viewer") as console:
        await console.go("Providers")
        row = console.page.get_by_role("row").filter(has_text="simulator")
        await expect(row.locator("[data-label='95 % within']")).to_contain_text(" s")
        await expect(console.page.get_by_role("row").filter(has_text="openai")).to_contain_text("closed")


@question("redrive these three")
async def _redrive(world: World, open_console: Open) -> None:
    buried = await _bury(world, 3)
    async with open_console("operator") as console:
        letters = await _letters(console)
        await expect(letters).to_have_count(3)
        for place in range(3):
            await console.check(letters.nth(place).get_by_role("checkbox"))
        await console.fill("Reason", "mended in 0.3.1")
        await console.click(console.page.get_by_role("button", name="Redrive the marked"))
        await console.see_text("The marked letters are on their way again.")
        await console.see_text("Nothing lies here.")

    async def handled() -> int:
        heard = "SELECT count(*) FROM inbox WHERE message_id = ANY($1::uuid[])"
        return int(await world.databases["session"].fetchval(heard, buried))

    await becomes(3, handled)


@question("discard that poison")
async def _discard(world: World, open_console: Open) -> None:
    [poison] = await _bury(world, 1)
    async with open_console("operator") as console:
        letters = await _letters(console)
        await expect(letters).to_contain_text(str(poison))
        await console.check(letters.get_by_role("checkbox"))
        await console.fill("Reason", "made by a test")
        await console.click(console.page.get_by_role("button", name="Discard the marked"))
        await console.see_text("The marked letters are gone; the note stays.")
        await console.see_text("Nothing lies here.")


@question("is the log proved")
async def _proved(world: World, open_console: Open) -> None:
    await (await Shop.of(world)).order()
    async with open_console("operator") as console:
        await console.go("Books")
        await console.act("Verify the log", "before the auditor comes")
        await console.see_text("The verification has begun.")

        async def has_passed() -> bool | None:
            answer = await ask(world, "GET", "/v1/admin/log/status")
            return (not answer["running"] and answer["last"]["state"] == "passed") or None

        await eventually(has_passed)
        await console.click(console.page.get_by_role("link", name="Ask billing and the stores outside"))
        log = console.region("The log of charges")
        await expect(log).to_contain_text("0 faults")
        await expect(log).to_contain_text("passed")


@question("what is owed in unknown outcomes")
async def _owed(world: World, open_console: Open) -> None:
    id_ = await (await Shop.of(world)).order()
    async with insert_submission(world, id_, exposure_micros=1_250_000), open_console("viewer") as console:
        await console.go("Providers")
        row = console.region("Owed in unknown outcomes").get_by_role("row").filter(has_text=id_[-12:])
        await expect(row).to_contain_text("1.25 USD")
        await expect(row).to_contain_text("unknown")


@question("which subscriber lags")
async def _lags(world: World, open_console: Open) -> None:
    name = f"lagging-{uuid7().hex[-8:]}"
    await (await Shop.of(world)).order()
    await ask(world, "POST", "/v1/admin/subscriptions", {"name": name, "start": {"from_beginning": True}})
    try:
        async with open_console("viewer") as console:
            await console.go("Events")
            row = console.page.get_by_role("row").filter(has_text=name)
            await expect(row.locator("[data-label='Behind']")).not_to_have_text("0")
    finally:
        await ask(world, "DELETE", f"/v1/admin/subscriptions/{name}")


@question("is the queue fair")
async def _fair(world: World, open_console: Open) -> None:
    one, two = await Shop.of(world), await Shop.of(world)
    slow = [(one, await one.order(SLOW)), (one, await one.order(SLOW)), (two, await two.order(SLOW))]
    async with open_console("viewer") as console:
        rows = console.region("In flight").get_by_role("row")
        for shop, number in ((one, 2), (two, 1)):
            cells = rows.filter(has_text=shop.id[-12:]).get_by_role("cell")
            waiting, working = [int(await cells.nth(place).inner_text()) for place in (1, 2)]
            assert waiting + working == number
    for shop, id_ in slow:
        await shop.cancel(id_)


@question("are we ready for an upgrade")
async def _ready(world: World, open_console: Open) -> None:
    known = await ask(world, "GET", "/v1/admin/upgrade")
    async with open_console("viewer") as console:
        await console.go("Upgrade")
        await console.see("Upgrade ready" if known["ready"] else "Upgrade not ready")
        rows = console.region("Services").get_by_role("row")
        for each in known["services"]:
            row = rows.filter(has=console.page.get_by_text(each["service"], exact=True))
            await expect(row).to_contain_text(each["version"])
            await expect(row.locator(".state.good")).to_have_text(", ".join(each["schema_expected"]))


async def _letters(console: ConsolePage) -> Locator:
    await console.go("Dead letters")
    await console.click(console.page.get_by_role("link", name=SESSION_SAGA))
    return console.page.locator(".cards li")


async def _bury(world: World, number: int) -> list[UUID]:
    """The ids of letters that no consumer could handle, each about a generation that has ended."""
    ended = UUID(await (await Shop.of(world)).order())
    messages = [RenderStarted(generation_id=ended, attempt=1) for _ in range(number)]
    envelopes = [wrap(message, source="atelier/render") for message in messages]
    await bury(world, envelopes)
    return [envelope.id for envelope in envelopes]
