"""``/console`` in a real browser, on the running system: an operator's questions, answered at a desk and on a phone."""

from uuid import UUID

import httpx
import pytest
from playwright.async_api import Browser, expect
from uuid_utils.compat import uuid7

from atelier_contracts import RenderStarted, wrap
from atelier_contracts.routes import SESSION_SAGA
from whole_system.console_scene import AT_A_DESK_AND_ON_A_PHONE, Shop, at_the_console, bury, new_operator
from whole_system.looks import LOOKS, Scheme, accessibility_faults, overflow_px
from whole_system.waits import becomes
from whole_system.world import World

HOSTILE = """<img src=x onerror="window.hit=1"><script>window.hit=1</script>"'>"""
looks = pytest.mark.parametrize(("width", "scheme"), AT_A_DESK_AND_ON_A_PHONE)


@looks
async def test_why_is_it_stuck_and_cancel_it(chromium: Browser, world: World, width: int, scheme: Scheme) -> None:
    shop = await Shop.of(world)
    slow = await shop.order("outcome=succeed, delay_ms=100000")

    async with at_the_console(chromium, world, width, scheme) as console:
        await console.find(slow)
        await console.see("Image")
        await console.see_text("is being rendered; credits held: 3")
        await console.see_text("Acts by itself")
        assert await accessibility_faults(console.page) == []
        await console.act("Cancel and refund", "it hangs since 3 in the morning")
        await console.see_text("Cancelled. Its credits go back to its owner.")
        await console.page.reload()
        await console.see_text("it hangs since 3 in the morning")

    async def available() -> int:
        return (await world.admin.balance("store", shop.id)).available

    await becomes(20, available)


@looks
async def test_which_order_was_it_and_was_she_charged(
    chromium: Browser, world: World, width: int, scheme: Scheme
) -> None:
    shop, order = await Shop.of(world), f"SO-{uuid7().hex[-8:]}"
    charged = await shop.order(metadata={"order": order})

    async with at_the_console(chromium, world, width, scheme) as console:
        await console.find(order)
        await console.see("Image")
        await expect(console.page.locator("code.whole")).to_have_text(charged)
        await console.see_text("succeeded; credits held 3, charged 3, returned 0")
        postings = console.page.get_by_role("region", name="Credits").get_by_role("row")
        await expect(postings.filter(has_text="capture")).to_contain_text("captured")
        await console.click(console.page.get_by_text("Signed receipt"))
        await console.see_text('"alg": "EdDSA"')
        await console.act("Return the charge", "the picture is broken")
        await console.see_text("Returned. The posting is on the books.")

    assert (await world.admin.balance("store", shop.id)).available == 20


@looks
async def test_redrive_these_three_and_discard_that_poison(
    chromium: Browser, world: World, width: int, scheme: Scheme
) -> None:
    ended = UUID(await (await Shop.of(world)).order())
    started = [RenderStarted(generation_id=ended, attempt=1) for _ in range(4)]
    buried = [wrap(message, source="atelier/render") for message in started]
    await bury(world, buried)

    async with at_the_console(chromium, world, width, scheme) as console:
        await console.go("Dead letters")
        await console.click(console.page.get_by_role("link", name=SESSION_SAGA))
        letters = console.page.locator(".cards li")
        await expect(letters).to_have_count(4)
        await expect(letters.first).to_contain_text("a defect that is mended")
        assert await accessibility_faults(console.page) == []
        await console.click(console.page.locator("input[data-all]"))
        await letters.nth(3).get_by_role("checkbox").uncheck()
        await console.page.get_by_label("Reason").fill("mended in 0.3.1")
        await console.click(console.page.get_by_role("button", name="Redrive the marked"))
        await console.see_text("The marked letters are on their way again.")
        await expect(letters).to_have_count(1)
        await letters.first.get_by_role("checkbox").check()
        await console.page.get_by_label("Reason").fill("made by a test")
        await console.click(console.page.get_by_role("button", name="Discard the marked"))
        await console.see_text("The marked letters are gone; the note stays.")
        await console.see_text("Nothing lies here.")

    async def effects() -> int:
        heard = "SELECT count(*) FROM inbox WHERE message_id = ANY($1::uuid[])"
        return int(await world.databases["session"].fetchval(heard, [envelope.id for envelope in buried]))

    await becomes(3, effects)


@looks
async def test_who_revoked_the_key_and_why(chromium: Browser, world: World, width: int, scheme: Scheme) -> None:
    shop = await Shop.of(world)
    ben = await new_operator(world, "Ben", "operator")
    prefix = shop.key.split("_")[1]
    headers = {"Authorization": f"Bearer {ben}", "X-Operator-Reason": "it%20was%20in%20a%20screenshot"}
    async with httpx.AsyncClient(base_url=world.operations_url, headers=headers) as http:
        assert (await http.delete(f"/v1/admin/stores/{shop.id}/keys/{prefix}")).status_code == 204

    async with at_the_console(chromium, world, width, scheme, role="viewer") as console:
        await console.find(f"atl_{prefix}")
        await console.see("Night boutique")
        assert await accessibility_faults(console.page) == []
        await console.click(console.page.get_by_role("link", name="by whom?"))
        row = console.page.get_by_role("row").nth(1)
        await expect(row).to_contain_text("Ben")
        await expect(row).to_contain_text("it was in a screenshot")


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
async def test_in_every_look_no_page_has_a_serious_fault_or_is_cut_off(
    chromium: Browser, world: World, width: int, scheme: Scheme
) -> None:
    shop = await Shop.of(world)
    failed = await shop.order("outcome=fail")
    pages = ["", "/generations", f"/generations/{failed}", f"/accounts/store/{shop.id}", "/accounts", "/books"]
    pages += ["/events", "/dead-letters", "/acts", "/search?q=boutique", "/search", "/generations/nothing"]
    pages += ["/failures?period=hour", "/providers", "/webhooks", "/webhooks?delivery=nothing", "/upgrade"]

    async with at_the_console(chromium, world, width, scheme, role="admin") as console:
        for path in pages:
            await console.page.goto(console.url + path)
            assert (await accessibility_faults(console.page), path) == ([], path)
            assert (await overflow_px(console.page), path) == (0, path)
        await console.page.context.clear_cookies()
        await console.page.goto(console.url)
        await console.see("Sign in")
        assert await accessibility_faults(console.page) == []


async def test_a_prompt_that_is_markup_stays_text(chromium: Browser, world: World) -> None:
    shop = await Shop.of(world)
    id_ = await shop.order(prompt=HOSTILE, metadata={"order": HOSTILE})

    async with at_the_console(chromium, world, 1440, "light") as console:
        await console.find(id_)
        await expect(console.page.locator("blockquote")).to_have_text(HOSTILE)
        await console.page.goto(f"{console.url}/accounts/store/{shop.id}")
        assert await console.page.evaluate("window.hit") is None


async def test_all_is_read_and_done_without_scripts(chromium: Browser, world: World) -> None:
    shop = await Shop.of(world)
    slow = await shop.order("outcome=succeed, delay_ms=100000")

    async with at_the_console(chromium, world, 1440, "light", java_script_enabled=False) as console:
        await console.page.get_by_label("Find anything").fill(slow)
        await console.page.keyboard.press("Enter")
        await console.see_text("is being rendered")
        await console.act("Cancel and refund", "without scripts")
        await console.see_text("Cancelled. Its credits go back to its owner.")
