"""Takes the pictures of ``/console`` for the book from a running stack, at a desk and on a phone, light and dark.

``PYTHONPATH=tests-e2e python -m whole_system.console_pictures docs/pictures`` in the root of the repository, after
``make up``; with ``--all`` every page in every look, to be looked at.
"""

import asyncio
import io
import os
import sys
from pathlib import Path

from PIL import Image

from atelier_local.launcher.stack import Stack
from whole_system.console_page import ConsolePage
from whole_system.console_picture_scene import prepare
from whole_system.looks import Scheme, accessibility_faults, open_browser, overflow_px
from whole_system.world import World

PHONE_PX_MAX = 500
HEIGHT_PX_MAX = 1_500
"""Of a picture for the book: what is below repeats itself."""
COLOURS = 256
PAGES = {
    "overview": "",
    "generations": "/generations",
    "generation": "/generations/{made}",
    "failures": "/failures?period=hour",
    "dead-letters": "/dead-letters?queue={queue}",
    "account": "/accounts/store/{store}",
    "accounts": "/accounts",
    "providers": "/providers",
    "webhooks": "/webhooks",
    "books": "/books",
    "events": "/events",
    "acts": "/acts",
    "upgrade": "/upgrade",
    "search": "/search?q=boutique",
}
TAKEN: dict[tuple[int, Scheme], tuple[str, ...]] = {
    (1440, "light"): ("overview", "generation", "dead-letters", "failures", "upgrade"),
    (1440, "dark"): ("overview", "generation", "account", "providers", "webhooks"),
    (390, "light"): ("generation", "account", "failures", "webhooks"),
    (390, "dark"): ("overview", "dead-letters", "providers", "upgrade"),
}
"""Which pages are taken in which look; all of them in all looks with ``--all``."""


async def main(folder: Path, *, all_pages: bool) -> None:
    """Writes ``console-<page>-<width>-<scheme>.png`` for each look, and says what is wrong with one."""
    async with World.of(Stack(os.environ.get("PROFILE") or "default")) as world:
        ids = await prepare(world)
        token = world.stack.environment()["ATELIER_ADMIN_TOKEN"]
        async with open_browser() as browser:
            for (width, scheme), names in TAKEN.items():
                async with ConsolePage.open(
                    browser, world.operations_url, token, width=width, scheme=scheme
                ) as console:
                    for name in PAGES if all_pages else names:
                        await console.page.goto(console.url + PAGES[name].format(**ids))
                        await console.page.wait_for_load_state("networkidle")
                        file = folder / f"console-{name}-{width}-{scheme}.png"
                        shot = await console.page.screenshot(full_page=all_pages or width > PHONE_PX_MAX)
                        _save(shot, file, None if all_pages else HEIGHT_PX_MAX)
                        print(file.name, await overflow_px(console.page), *await accessibility_faults(console.page))  # noqa: T201


def _save(shot: bytes, file: Path, height_px: int | None) -> None:
    whole = Image.open(io.BytesIO(shot)).convert("RGB")
    shown = whole.crop((0, 0, whole.width, min(whole.height, height_px or whole.height)))
    shown.quantize(COLOURS, dither=Image.Dither.NONE).save(file, optimize=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), all_pages="--all" in sys.argv))
