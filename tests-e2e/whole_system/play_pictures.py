"""Takes the pictures of ``/play`` for the book from a running stack, at a desk and on a phone, light and dark.

``PYTHONPATH=tests-e2e python -m whole_system.play_pictures docs/pictures`` in the root of the repository, after
``make up``.
"""

import asyncio
import io
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from PIL import Image
from playwright.async_api import Page

from atelier_local.api_client.client import AdminClient
from atelier_local.connection import Connection, find_connection
from atelier_local.demo import photos
from whole_system.looks import LOOKS, Scheme, open_browser
from whole_system.play_page import PlayPage

GRANTED = 50
GAP_PX = 24
QUALITY = 80
PAPER = {"light": "#e9e4d9", "dark": "#050506"}


async def main(folder: Path) -> None:
    """Writes ``play-<width>-<scheme>.jpg`` for each look."""
    stack = find_connection(os.environ.get("PROFILE"))
    with TemporaryDirectory() as directory:
        person, garment = Path(directory) / "portrait.png", Path(directory) / "shirt.jpg"
        person.write_bytes(photos.person_photo())
        garment.write_bytes(photos.garment_photo())
        async with open_browser() as browser:
            for width, scheme in LOOKS:
                async with PlayPage.open(browser, stack.url, width=width, scheme=scheme) as play:
                    await play.sign_in(await _new_key(stack))
                    await _order_image(play)
                    await _order_try_on(play, person, garment)
                    shots = await _phone(play.page) if width < 500 else [await play.page.screenshot()]
                    _save(shots, scheme, folder / f"play-{width}-{scheme}.jpg")


async def _new_key(stack: Connection) -> str:
    async with AdminClient(stack.operations_url, stack.admin_token) as admin:
        store = await admin.create_store("Picture boutique")
        await admin.grant("store", store.id, GRANTED, reason="pictures of the page")
        return store.api_key


async def _order_image(play: PlayPage) -> None:
    await play.choose("Image")
    await play.page.get_by_label("Size").select_option("512x512")
    await play.describe("snowy mountains above a lake at sunset")
    await play.see_price(5)
    await play.button_for(5).click()
    await play.see_status("Delivered")


async def _order_try_on(play: PlayPage, person: Path, garment: Path) -> None:
    await play.choose("Try-on")
    await play.add_photo("Person", person)
    await play.add_photo("Garment", garment)
    await play.describe("in soft evening light")
    await play.see_price(1)
    await play.button_for(1).click()
    await play.page.locator(".about-it .prompt", has_text="in soft evening light").wait_for()
    await play.page.locator(".receipt .checks li[data-ok=true]").nth(3).wait_for()
    await play.page.locator("#stage figure img").evaluate("image => image.decode()")
    await play.page.evaluate("scrollTo(0, 0); document.activeElement.blur()")


async def _phone(page: Page) -> list[bytes]:
    """The order, and what came of it."""
    order = await page.screenshot()
    await page.locator("#stage-title").evaluate(
        "title => scrollTo(0, title.getBoundingClientRect().top + scrollY - 16)"
    )
    return [order, await page.screenshot()]


def _save(shots: list[bytes], scheme: Scheme, file: Path) -> None:
    pictures = [Image.open(io.BytesIO(shot)).convert("RGB") for shot in shots]
    width = sum(picture.width for picture in pictures) + GAP_PX * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, pictures[0].height), PAPER[scheme])
    left = 0
    for picture in pictures:
        sheet.paste(picture, (left, 0))
        left += picture.width + GAP_PX
    sheet.save(file, quality=QUALITY, optimize=True, progressive=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
