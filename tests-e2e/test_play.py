"""``/play`` in a real browser, on the running system: from photos to a picture with a receipt that is checked there."""

import asyncio
from collections.abc import Awaitable, Callable
from itertools import product
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.async_api import Browser, expect

from whole_system import built_clients, packages
from whole_system.looks import LOOKS, Scheme
from whole_system.play_page import PlayPage
from whole_system.world import World

CHECKS = [
    "Signed by the published key",
    "Its postings add up, to the credit",
    "It is about what you ordered",
    "What was delivered is what it names, to the byte",
]
HOSTILE = (
    """<img src=x onerror="window.hit=1"><script>window.hit=1</script> javascript:window.hit=1 "'>"""
    "<svg onload=window.hit=1>"
)
FAILURE = {"kind": "image", "prompt": "a lake", "size": "256x256"}
TRICKY = 'it\'s "new": $5 `off`'


async def test_a_try_on_goes_from_photos_to_a_picture_and_a_receipt_that_is_checked_in_the_browser(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]], phone_photos: Path
) -> None:
    async with PlayPage.open(chromium, world.url, width=390, scheme="dark") as play:
        assert await play.accessibility_faults() == []
        await play.sign_in(await store_key(10))
        await play.choose("Try-on")
        await expect(play.page.locator("#balance")).to_have_text("10 credits")
        await play.see_price(1)

        await play.button_for(1).click()
        await expect(play.page.get_by_role("alert")).to_have_text("Add a photo: person.")

        await play.add_photo("Person", phone_photos / "person.heic")
        await play.add_photo("Garment", phone_photos / "garment.jpg")
        await play.describe("in soft evening light")
        assert await play.accessibility_faults() == []
        await play.button_for(1).click()
        await play.see_status("Delivered")

        picture = play.page.locator("#stage figure img")
        await expect(picture).to_have_js_property("naturalWidth", 1024)
        checks = play.page.locator(".receipt .checks li[data-ok=true]")
        await expect(checks).to_have_count(len(CHECKS))
        assert [
            text for text, said in zip(CHECKS, await checks.all_inner_texts(), strict=True) if text not in said
        ] == []
        await expect(play.page.locator(".receipt .total")).to_contain_text("1 credit")
        await expect(play.page.locator("#balance")).to_have_text("9 credits")
        await expect(play.page.locator("#history li")).to_have_count(1)
        assert await play.accessibility_faults() == []
        assert (await play.overflow_px(), play.complaints) == (0, [])


@pytest.mark.parametrize(("width", "scheme"), LOOKS)
async def test_in_every_look_a_picture_comes_from_words_and_nothing_is_cut_off_or_unreadable(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]], width: int, scheme: Scheme
) -> None:
    async with PlayPage.open(chromium, world.url, width=width, scheme=scheme) as play:
        await play.sign_in(await store_key(9))
        await play.choose("Image")
        await play.page.get_by_label("Size").select_option("256x256")
        await play.describe("a lake at sunset")
        await play.see_price(3)
        await play.button_for(3).click()
        await play.see_status("Delivered")
        await expect(play.page.locator(".receipt .checks li[data-ok=true]")).to_have_count(len(CHECKS))

        assert await play.accessibility_faults() == []
        assert (await play.overflow_px(), play.complaints) == (0, [])


async def test_a_prompt_that_is_markup_stays_text(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]]
) -> None:
    async with PlayPage.open(chromium, world.url) as play:
        await play.simulate("picture=none")
        await play.sign_in(await store_key(9))
        await play.choose("Image")
        await play.page.get_by_label("Size").select_option("256x256")
        await play.describe(HOSTILE)
        await play.button_for(3).click()
        await play.see_status("Delivered")
        await expect(play.page.locator(".about-it .prompt")).to_have_text(HOSTILE)
        await play.page.reload()
        await expect(play.page.locator(".about-it .prompt")).to_have_text(HOSTILE)
        entry = play.page.locator("#history li button")
        await expect(entry).to_contain_text(HOSTILE)

        assert await play.page.evaluate("window.hit") is None
        assert play.complaints == []


async def test_the_key_leaves_the_page_in_a_header_only_and_is_gone_after_signing_out(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]]
) -> None:
    async with PlayPage.open(chromium, world.url) as play:
        secret = await store_key(0)
        await play.sign_in(secret)
        await expect(play.page.locator("#balance")).to_have_text("0 credits")
        await play.page.reload()
        await expect(play.page.locator("#balance")).to_have_text("0 credits")

        assert not [
            request.url for request in play.requests if secret in request.url or secret in (request.post_data or "")
        ]
        assert secret not in play.page.url
        assert await play.page.evaluate("document.cookie") == ""
        await play.page.get_by_role("button", name="Sign out").click()
        await play.page.get_by_label("API key or client token").wait_for()
        assert await play.page.evaluate("sessionStorage.length") == 0


async def test_earlier_generations_are_listed_page_by_page_and_opened_with_a_link_of_their_own(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]]
) -> None:
    secret = await store_key(3 * 13)
    async with httpx.AsyncClient(base_url=world.url, headers={"X-API-Key": secret}, trust_env=False) as client:
        headers = {"X-Atelier-Simulate": "outcome=fail", "Prefer": "wait=20"}
        made = [(await client.post("/v1/generations", json=FAILURE, headers=headers)).json() for _ in range(13)]
    async with PlayPage.open(chromium, world.url) as play:
        await play.sign_in(secret)
        entries = play.page.locator("#history li")
        await expect(entries).to_have_count(12)
        await play.page.get_by_role("button", name="Show more").click()
        await expect(entries).to_have_count(13)
        await expect(play.page.get_by_role("button", name="Show more")).to_be_hidden()

        await entries.last.get_by_role("button").click()
        await play.see_status("Failed")
        assert play.page.url.endswith(f"#{made[0]['id']}")
        await play.page.get_by_text("Nothing was charged: all 3 credits went back.").first.wait_for()


async def test_the_code_that_is_shown_makes_the_same(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]], phone_photos: Path, tmp_path: Path
) -> None:
    secret = await store_key(20)
    async with PlayPage.open(chromium, world.url) as play:
        await play.sign_in(secret)
        await play.add_photo("Person", phone_photos / "person.heic")
        await play.add_photo("Garment", phone_photos / "garment.jpg")
        await play.describe(TRICKY)
        samples = {}
        for language in ("curl", "Python", "TypeScript"):
            await play.page.get_by_role("tab", name=language).click()
            samples[language] = await play.page.get_by_role("tabpanel").inner_text()

    known: dict[str, Any] = {"ATELIER_KEY": secret, "NO_PROXY": "127.0.0.1"}
    (tmp_path / "sample.sh").write_text(samples["curl"])
    (tmp_path / "sample.py").write_text(samples["Python"])
    interpreter = await asyncio.to_thread(built_clients.python_client)
    installed = await asyncio.to_thread(built_clients.typescript_client)
    (script,) = built_clients.compile_scripts(installed, [samples["TypeScript"]])
    for folder, name in product((tmp_path, installed), ("person.heic", "garment.jpg")):
        (folder / name).write_bytes((phone_photos / name).read_bytes())
    answers = [
        await asyncio.to_thread(packages.shell, tmp_path / "sample.sh", cwd=tmp_path, **known),
        await asyncio.to_thread(packages.python, interpreter, str(tmp_path / "sample.py"), cwd=tmp_path, **known),
        await asyncio.to_thread(packages.node, script, cwd=installed, **known),
    ]

    assert all("succeeded" in answer for answer in answers)
    assert all((folder / "result-1.png").read_bytes().startswith(b"\x89PNG") for folder in (tmp_path, installed))
    async with httpx.AsyncClient(base_url=world.url, headers={"X-API-Key": secret}, trust_env=False) as client:
        made = (await client.get("/v1/generations")).json()["data"]
    assert [generation["prompt"] for generation in made] == [TRICKY] * 3


async def test_the_keyboard_alone_orders_a_narration_and_typing_asks_for_no_further_price(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]]
) -> None:
    async with PlayPage.open(chromium, world.url) as play:
        press, focused = play.page.keyboard.press, play.page.locator(":focus")
        await play.sign_in(await store_key(5))
        await expect(focused).to_have_text("What would you like to make?")
        await press("Tab")
        await press("ArrowUp")
        await expect(play.page.get_by_role("radio", name="Narrated story")).to_be_checked()
        await play.see_price(1)
        await press("Tab")
        await play.page.keyboard.type("The old keeper climbed the stairs.", delay=30)
        while not await focused.evaluate("element => element.matches('.primary')"):
            await press("Tab")
        await press("Enter")

        await play.see_status("Delivered")
        await expect(focused).to_have_text("Delivered")
        await expect(play.page.locator("#stage audio")).to_have_js_property("error", None)
        await play.page.wait_for_function("document.querySelector('#stage audio').duration > 1")
        quotes = [request.post_data or "" for request in play.requests if request.url.endswith("/quotes")]
        assert len([quote for quote in quotes if "narration" in quote]) == 1
        assert (await play.accessibility_faults(), play.complaints) == ([], [])


async def test_a_page_that_is_reloaded_while_it_waits_goes_on_with_the_same_generation(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]]
) -> None:
    async with PlayPage.open(chromium, world.url) as play:
        await play.simulate("delay_ms=4000, picture=none")
        await play.sign_in(await store_key(3))
        await play.choose("Image")
        await play.page.get_by_label("Size").select_option("256x256")
        await play.describe("a lake")
        await play.button_for(3).click()
        await play.see_status("Being made")
        address = play.page.url
        await play.page.reload()
        await play.see_status("Delivered")

        assert play.page.url == address
        await expect(play.page.locator("#history li")).to_have_count(1)


async def test_the_theme_is_the_systems_until_another_is_chosen_which_stays(chromium: Browser, world: World) -> None:
    async with PlayPage.open(chromium, world.url, scheme="dark") as play:
        paper = "getComputedStyle(document.body).backgroundColor"
        dark = await play.page.evaluate(paper)
        await play.page.get_by_role("button", name="Switch to light").click()
        light = await play.page.evaluate(paper)
        await play.page.reload()

        assert await play.page.evaluate(paper) == light != dark
        await play.page.get_by_role("button", name="Switch to dark").wait_for()


async def test_without_javascript_the_page_explains_itself_and_leads_to_the_docs(
    chromium: Browser, world: World
) -> None:
    async with PlayPage.open(chromium, world.url, java_script_enabled=False) as play:
        await play.page.locator("noscript strong").wait_for()
        await expect(play.page.get_by_role("button")).to_have_count(0)
        await play.page.locator("noscript a").click()
        await play.page.get_by_role("heading", name="Quickstart").wait_for()
