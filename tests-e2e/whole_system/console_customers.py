"""An operator's questions about a customer, an order, a key, a webhook."""

import asyncio

import httpx
from playwright.async_api import expect
from uuid_utils.compat import uuid7

from whole_system.console_asker import SLOW, Open, act_as_ben, ask, insert_submission, question
from whole_system.console_scene import Shop
from whole_system.waits import becomes, eventually
from whole_system.world import World


@question("why is it stuck")
async def _stuck(world: World, open_console: Open) -> None:
    slow = await (shop := await Shop.of(world)).order(SLOW)
    async with open_console("viewer") as console:
        await console.find(slow)
        await console.see_text("is being rendered; credits held: 3")
        await console.see_text("Acts by itself")
    await shop.cancel(slow)


@question("was she charged")
async def _charged(world: World, open_console: Open) -> None:
    charged = await (await Shop.of(world)).order()
    async with open_console("viewer") as console:
        await console.find(charged)
        await console.see_text("succeeded; credits held 3, charged 3, returned 0")
        await expect(console.region("Credits").get_by_role("row").filter(has_text="capture")).to_contain_text(
            "captured"
        )


@question("take back this grant")
async def _take_back(world: World, open_console: Open) -> None:
    shop = await Shop.of(world)
    await world.admin.grant("store", shop.id, 50, reason="a zero too many")
    async with open_console("operator") as console:
        await console.find(shop.id)
        row = console.region("Postings").get_by_role("row").filter(has_text="50")
        await console.act("Take back", "a zero too many", within=row)
        await console.see_text("Taken back.")

    assert (await world.admin.balance("store", shop.id)).available == 20


@question("who revoked the key")
async def _revoked(world: World, open_console: Open) -> None:
    shop = await Shop.of(world)
    prefix = shop.key.split("_")[1]
    await act_as_ben(world, "DELETE", f"/v1/admin/stores/{shop.id}/keys/{prefix}", "it was in a screenshot")
    async with open_console("viewer") as console:
        await console.find(f"atl_{prefix}")
        await console.click(console.page.get_by_role("link", name="by whom?"))
        row = console.page.get_by_role("row").nth(1)
        await expect(row).to_contain_text("Ben")
        await expect(row).to_contain_text("it was in a screenshot")


@question("which order is this request id")
async def _order(world: World, open_console: Open) -> None:
    order, request = f"SO-{uuid7().hex[-8:]}", f"req_{uuid7().hex}"
    id_ = await (await Shop.of(world)).order(metadata={"order": order})
    async with insert_submission(world, id_, request_id=request), open_console("viewer") as console:
        await console.find(request)
        await console.click(console.page.get_by_text("The whole request"))
        await console.see_text(order)


@question("what did this store spend today")
async def _spent(world: World, open_console: Open) -> None:
    shop = await Shop.of(world)
    for _ in range(2):
        await shop.order()
    async with open_console("viewer") as console:
        await console.find(shop.id)
        await console.click(console.page.get_by_role("link", name="today"))
        await console.see_text("6 credits for 2 generations")


@question("why was he refused")
async def _refused(world: World, open_console: Open) -> None:
    shop = await Shop.of(world, credits=0)
    async with httpx.AsyncClient(base_url=world.url, headers={"X-API-Key": shop.key}, timeout=60) as http:
        assert (await http.post("/v1/generations", json={"kind": "image", "prompt": "a lake"})).status_code == 402

    async def is_kept() -> bool | None:
        return bool((await ask(world, "GET", f"/v1/admin/refusals?owner_id={shop.id}"))["data"]) or None

    await eventually(is_kept)
    async with open_console("viewer") as console:
        await console.find(shop.id)
        await expect(console.region("Refused requests")).to_contain_text("insufficient_credits")


@question("did the webhook arrive")
async def _arrived(world: World, open_console: Open) -> None:
    got = asyncio.Event()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        got.set()
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(take, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        shop = await Shop.of(world)
        await shop.order(webhook_url=url)
        await got.wait()

        async def find_delivery() -> str | None:
            listed = await ask(world, "GET", f"/v1/admin/accounts/store/{shop.id}/deliveries")
            return next((row["id"] for row in listed["data"] if row["state"] == "delivered"), None)

        delivery = await eventually(find_delivery)
        async with open_console("viewer") as console:
            await console.find(delivery)
            await console.see("Delivery")
            await expect(console.region("Its tries").get_by_role("row").last).to_contain_text("204")


@question("cancel and refund this")
async def _cancel(world: World, open_console: Open) -> None:
    shop = await Shop.of(world)
    slow = await shop.order(SLOW)
    async with open_console("operator") as console:
        await console.find(slow)
        await console.act("Cancel and refund", "it hangs since 3 in the morning")
        await console.see_text("Cancelled. Its credits go back to its owner.")

    async def available() -> int:
        return (await world.admin.balance("store", shop.id)).available

    await becomes(20, available)


@question("who changed the cap")
async def _cap(world: World, open_console: Open) -> None:
    shop = await Shop.of(world)
    path = f"/v1/admin/caps/store/{shop.id}/store/{shop.id}/day"
    await act_as_ben(world, "PUT", path, "they asked for less", {"credits": 7})
    async with open_console("viewer") as console:
        await console.find(shop.id)
        row = console.region("Acts of operators").get_by_role("row").filter(has_text="cap")
        await expect(row).to_contain_text("Ben")
        await expect(row).to_contain_text("they asked for less")
