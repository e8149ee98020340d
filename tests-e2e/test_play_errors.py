"""What ``/play`` says when something goes wrong, on the running system: in plain words, with what it cost."""

import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import pytest
from playwright.async_api import Browser, Route, expect

from atelier_local.api_client.operations_client import OperationsClient
from atelier_storage.objects import ObjectStore
from atelier_storage.settings import StorageSettings
from whole_system.faulty_proxy import FaultyProxy
from whole_system.play_page import PlayPage
from whole_system.world import World

ATTEMPTS = 5
"""How often the page sends an order by itself."""


async def test_a_wrong_key_is_named_with_its_code_and_request_id_and_is_kept_nowhere(
    chromium: Browser, world: World
) -> None:
    async with PlayPage.open(chromium, world.url) as play:
        await play.sign_in("atl_wrong")
        alert = play.page.get_by_role("alert")
        await expect(alert).to_contain_text("This key is not valid here.")
        await expect(alert).to_contain_text(re.compile(r"unauthorized.*request [0-9a-f-]{8,}"))
        assert await play.page.evaluate("sessionStorage.length + localStorage.length + document.cookie.length") == 0
        assert await play.accessibility_faults() == []


async def test_too_few_credits_are_told_in_plain_words_and_nothing_is_made(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]]
) -> None:
    async with PlayPage.open(chromium, world.url) as play:
        await play.sign_in(await store_key(2))
        await play.choose("Image")
        await play.describe("a lake")
        await play.button_for(10).click()
        alert = play.page.get_by_role("alert")
        await expect(alert).to_contain_text("It needs 10 credits, you have 2.")
        await expect(alert).to_contain_text("insufficient_credits")
        await expect(play.page.locator("#history li")).to_have_count(0)
        assert await play.accessibility_faults() == []


async def test_a_picture_that_is_refused_says_so_at_the_photo_and_costs_nothing(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]], phone_photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "no-picture.png").write_bytes(b"This is a text that calls itself a picture.")
    async with PlayPage.open(chromium, world.url) as play:
        await play.sign_in(await store_key(5))
        await play.add_photo("Person", phone_photos / "person.heic")
        await play.add_photo("Garment", tmp_path / "no-picture.png")
        await play.button_for(1).click()

        await expect(play.page.get_by_role("alert")).to_contain_text("invalid_")
        await expect(play.page.get_by_role("alert")).to_contain_text("Garment: The file is not")
        refused = play.page.locator("li[data-state=refused]")
        await expect(refused).to_have_count(1)
        await expect(refused).to_contain_text("no-picture.png")
        await expect(play.page.locator("#balance")).to_have_text("5 credits")


async def test_a_connection_lost_in_mid_wait_is_taken_up_again(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]]
) -> None:
    async with FaultyProxy.run(world.url) as proxy, PlayPage.open(chromium, proxy.url) as play:
        await play.simulate("delay_ms=8000, picture=none")
        await play.sign_in(await store_key(3))
        await play.choose("Image")
        await play.page.get_by_label("Size").select_option("256x256")
        await play.describe("a lake")
        await play.button_for(3).click()
        await play.see_status("Being made")

        proxy.cut()
        lost = play.page.get_by_text("The connection is lost. It goes on without you")
        await lost.wait_for()
        proxy.mend()

        await play.see_status("Delivered")
        await expect(lost).to_be_hidden()
        streams = [request for request in proxy.begun if request.path.endswith("/events")]
        assert "last-event-id" not in streams[0].headers
        assert int(streams[-1].headers["last-event-id"]) > 0


async def test_an_order_whose_answer_was_lost_is_made_once_and_photos_travel_without_the_object_stores_leave(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]], phone_photos: Path
) -> None:
    """The proxy is an origin that the bucket does not know, so photos go inside the request."""
    async with FaultyProxy.run(world.url) as proxy, PlayPage.open(chromium, proxy.url) as play:
        proxy.faults["/v1/generations"] = ["", "lose", "cut"]  # the list, then two attempts at the order
        await play.sign_in(await store_key(5))
        await play.add_photo("Person", phone_photos / "person.heic")
        await play.add_photo("Garment", phone_photos / "garment.jpg")
        await play.button_for(1).click()
        await play.see_status("Delivered")

        assert proxy.report("/v1/generations")["POST"] == ["lose", "cut", "201"]
        assert proxy.report("/v1/generations")["keys"] == 1
        await expect(play.page.locator("#balance")).to_have_text("4 credits")


@pytest.mark.parametrize(("fault", "words"), [("cut", "The connection was lost."), ("503", "does not answer")])
async def test_an_order_that_stays_without_an_answer_goes_out_again_under_the_same_key(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]], fault: str, words: str
) -> None:
    async with FaultyProxy.run(world.url) as proxy, PlayPage.open(chromium, proxy.url) as play:
        proxy.faults["/v1/generations"] = ["", *[fault] * ATTEMPTS]  # the list, then all attempts at the order
        await play.simulate("picture=none")
        await play.sign_in(await store_key(3))
        await play.choose("Image")
        await play.page.get_by_label("Size").select_option("256x256")
        await play.describe("a lake")
        await play.button_for(3).click()
        await expect(play.page.locator(".notice.bad")).to_contain_text(words)
        await play.button_for(3).click()
        await play.see_status("Delivered")

        assert proxy.report("/v1/generations")["POST"] == [*[fault] * ATTEMPTS, "201"]
        assert proxy.report("/v1/generations")["keys"] == 1


async def test_a_cancel_says_what_became_of_the_money(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]]
) -> None:
    async with PlayPage.open(chromium, world.url) as play:
        await play.simulate("delay_ms=60000")
        await play.sign_in(await store_key(6))
        await play.choose("Image")
        await play.page.get_by_label("Size").select_option("256x256")
        await play.page.get_by_label("How many").select_option("2")
        await play.describe("a lake")
        await play.button_for(6).click()
        await expect(play.page.locator("#balance")).to_have_text("0 credits")
        await play.page.get_by_text("6 credits held until it ends.").wait_for()
        await play.page.get_by_role("button", name="Cancel").click()

        await play.see_status("Cancelled")
        await play.page.get_by_text("Nothing was charged: all 6 credits went back.").first.wait_for()
        await expect(play.page.locator("#balance")).to_have_text("6 credits")


async def test_a_client_token_orders_what_it_may_up_to_its_cap_and_shows_what_is_left(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]]
) -> None:
    async with PlayPage.open(chromium, world.url) as play:
        await play.simulate("picture=none")
        await play.sign_in(await new_token(world, await store_key(50), [world.url]))
        await expect(play.page.locator("#balance")).to_have_text(re.compile(r"^4 credits left until \d\d:\d\d$"))
        await expect(play.page.get_by_role("radio")).to_have_count(1)
        await play.page.get_by_label("Size").select_option("256x256")
        await play.describe("a lake")
        await play.button_for(3).click()
        await play.see_status("Delivered")
        await expect(play.page.locator(".receipt .total")).to_contain_text("3 credits")
        await expect(play.page.locator("#history li")).to_have_count(1)
        await expect(play.page.locator("#balance")).to_contain_text("1 credit left")

        await play.button_for(3).click()
        alert = play.page.get_by_role("alert")
        await expect(alert).to_contain_text("The limit of this client token is reached.")
        await expect(alert).to_contain_text("It needs 3 credits, you have 1.")
        assert play.complaints == []


async def test_a_test_key_says_test_wherever_it_is_seen_and_costs_test_credits(chromium: Browser, world: World) -> None:
    store = await world.admin.create_store("Test boutique")
    async with OperationsClient(world.operations_url, world.stack.environment()["ATELIER_ADMIN_TOKEN"]) as operations:
        made = await operations.create_key(store.id, "laptop", test=True)
    async with PlayPage.open(chromium, world.url) as play:
        await play.sign_in(str(made["api_key"]))
        await expect(play.page.locator("#mode")).to_have_text("Test")
        await expect(play.page.locator("#balance")).to_have_text("10,000 test credits")
        await play.choose("Image")
        await play.page.get_by_label("Size").select_option("256x256")
        await play.describe("a lake")
        await play.button_for(3).click()
        await play.see_status("Delivered")
        await expect(play.page.locator(".about-it .badge")).to_have_text("Test")
        await expect(play.page.locator(".receipt .checks li[data-ok=true]")).to_have_count(4)
        await expect(play.page.locator("#balance")).to_have_text("9,997 test credits")
        assert await play.accessibility_faults() == []


async def test_a_client_token_for_another_page_is_told_which_origin_it_lacks(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]]
) -> None:
    async with PlayPage.open(chromium, world.url) as play:
        await play.sign_in(await new_token(world, await store_key(50), ["https://shop.example"]))
        alert = play.page.get_by_role("alert")
        await expect(alert).to_contain_text("This client token is not for this page.")
        await expect(alert).to_contain_text(world.url)


async def test_what_is_proven_broken_is_returned_from_the_page_and_what_is_not_is_declined_with_its_evidence(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]]
) -> None:
    secret = await store_key(6)
    async with PlayPage.open(chromium, world.url) as play:
        await play.sign_in(secret)
        await play.choose("Image")
        await play.page.get_by_label("Size").select_option("256x256")
        await play.describe("a lake")
        await play.button_for(3).click()
        await play.see_status("Delivered")
        await play.page.get_by_text("Something is wrong with it").click()
        await play.page.get_by_role("button", name="Have it examined").click()
        await play.page.get_by_text("Nothing was found wrong with it.").last.wait_for()
        assert await play.page.locator(".dispute .checks li[data-ok=true]").count() > 3
        assert (await play.accessibility_faults(), await play.overflow_px()) == ([], 0)

        await play.describe("a lake at sunset")
        await play.button_for(3).click()
        await expect(play.page.locator(".about-it .prompt")).to_have_text("a lake at sunset")
        await remove_output(world, secret)
        await play.page.get_by_text("Something is wrong with it").click()
        await play.page.get_by_role("button", name="Have it examined").click()

        await play.page.get_by_text("3 credits returned.").last.wait_for()
        await expect(play.page.locator("#balance")).to_have_text("3 credits")
        await expect(play.page.locator(".receipt .total")).to_contain_text("0 credits")
        await play.page.locator(".receipt td", has_text="returned later").wait_for()


async def test_no_price_is_paid_but_the_one_that_was_shown(
    chromium: Browser, world: World, store_key: Callable[[int], Awaitable[str]]
) -> None:
    async with PlayPage.open(chromium, world.url) as play:

        async def quote_less(route: Route) -> None:
            answer = await route.fetch()
            await route.fulfill(response=answer, json=await answer.json() | {"credits": 2})

        await play.sign_in(await store_key(9))
        await play.choose("Image")
        await play.see_price(10)
        await play.page.route("**/v1/quotes", quote_less, times=1)
        await play.page.get_by_label("Size").select_option("256x256")
        await play.describe("a lake")
        await play.button_for(2).click()

        alert = play.page.get_by_role("alert")
        await expect(alert).to_contain_text("The price has changed.")
        await expect(alert).to_contain_text("spend_limit_exceeded")
        await play.button_for(3).click()
        await play.see_status("Delivered")
        await expect(play.page.locator("#balance")).to_have_text("6 credits")
        orders = [request for request in play.requests if request.url.endswith("/v1/generations")]
        order = json.loads([order.post_data for order in orders if order.post_data][-1])
        assert order["max_credits"] == 3
        assert order["quote"].count(".") == 2


async def remove_output(world: World, key: str) -> None:
    """Of the newest generation, from the object store."""
    known = world.stack.environment()
    names = ("endpoint", "access_key", "secret_key", "bucket")
    settings = StorageSettings.model_validate({name: known[f"ATELIER_S3_{name.upper()}"] for name in names})
    async with httpx.AsyncClient(base_url=world.url, headers={"X-API-Key": key}, trust_env=False) as client:
        made = (await client.get("/v1/generations?limit=1")).json()["data"][0]
    objects = ObjectStore(settings)
    await objects.remove(made["outputs"][0]["key"])
    objects.close()


async def new_token(world: World, key: str, origins: list[str]) -> str:
    """For four credits of images, on pages of these origins."""
    bounds = {"credits": 4, "kinds": ["image"], "origins": origins, "end_user": "customer-7"}
    async with httpx.AsyncClient(base_url=world.url, headers={"X-API-Key": key}, trust_env=False) as client:
        answer = await client.post("/v1/client-tokens", json=bounds)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])
