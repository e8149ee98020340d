"""Takes the pictures of ``/console`` for the book from a running stack, at a desk and on a phone, light and dark.

``PYTHONPATH=tests-e2e python -m whole_system.console_pictures docs/pictures`` in the root of the repository, after
``make up``.
"""

import asyncio
import io
import os
import sys
from pathlib import Path

import httpx
from PIL import Image

from atelier_local.api_client.client import AdminClient
from atelier_local.connection import Connection, find_connection
from whole_system.console_page import ConsolePage
from whole_system.looks import Scheme, open_browser
from whole_system.waits import becomes

GRANTED = 200
COLOURS = 256
PAGES = {
    "overview": "",
    "generation": "/generations/{made}",
    "dead-letters": "/dead-letters",
    "account": "/accounts/store/{store}",
}
TAKEN: dict[tuple[int, Scheme], tuple[str, ...]] = {
    (1440, "light"): ("overview", "generation", "dead-letters"),
    (1440, "dark"): ("overview", "generation", "account"),
    (390, "light"): ("generation", "account"),
    (390, "dark"): ("overview", "dead-letters"),
}
"""Which pages are taken in which look."""
ORDERS: tuple[tuple[str, str], ...] = (
    ("picture=none", "a lake at dawn"),
    ("outcome=fail", "a red coat"),
    ("outcome=timeout", "a green coat"),
    ("outcome=succeed, delay_ms=600000", "a very slow coat"),
)


async def main(folder: Path) -> None:
    """Writes ``console-<page>-<width>-<scheme>.png`` for each look."""
    stack = find_connection(os.environ.get("PROFILE"))
    ids = await _order(stack)
    async with open_browser() as browser:
        for (width, scheme), names in TAKEN.items():
            async with ConsolePage.open(
                browser, stack.operations_url, stack.admin_token, width=width, scheme=scheme
            ) as console:
                for name in names:
                    await console.page.goto(console.url + PAGES[name].format(**ids))
                    await console.page.wait_for_load_state("networkidle")
                    shot = await console.page.screenshot(full_page=width > 500)
                    _save(shot, folder / f"console-{name}-{width}-{scheme}.png")


async def _order(stack: Connection) -> dict[str, str]:
    async with AdminClient(stack.operations_url, stack.admin_token) as admin:
        store = await admin.create_store("Picture boutique")
        await admin.grant("store", store.id, GRANTED, reason="pictures of the console")
    headers = {"X-API-Key": store.api_key}
    async with httpx.AsyncClient(base_url=stack.url, headers=headers, timeout=90) as http:
        body = {"kind": "image", "prompt": "snowy mountains above a lake at sunset", "size": "512x512"}
        made = await http.post("/v1/generations", json=body | {"metadata": {"order": "SO-1042"}})
        for simulate, prompt in ORDERS:
            order = {"kind": "image", "prompt": prompt, "size": "256x256"}
            await http.post("/v1/generations", json=order, headers={"X-Atelier-Simulate": simulate})

        async def status() -> str:
            return str((await http.get(f"/v1/generations/{made.json()['id']}")).json()["status"])

        await becomes("succeeded", status)
    return {"made": made.json()["id"], "store": store.id}


def _save(shot: bytes, file: Path) -> None:
    picture = Image.open(io.BytesIO(shot)).convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    picture.save(file, optimize=True)


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
