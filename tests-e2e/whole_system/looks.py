"""What tests of pages share: a browser, the looks that a page has, and what is wrong with how it looks."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

from playwright.async_api import Browser, BrowserContext, Page, async_playwright, expect

from whole_system import packages
from whole_system.browser import CHROMIUM

Scheme = Literal["light", "dark"]
HEIGHT = {390: 844, 1440: 1000}
LOOKS: tuple[tuple[int, Scheme], ...] = ((390, "light"), (390, "dark"), (1440, "light"), (1440, "dark"))
SHOWN_MS_MAX = 60_000
SERIOUS = frozenset({"serious", "critical"})
AXE = "axe.run({ resultTypes: ['violations'], rules: { 'target-size': { enabled: true } } })"
"""With the size of what is pressed (WCAG 2.2: 24 px, or so much room around it), which axe leaves out by itself."""
expect.set_options(timeout=SHOWN_MS_MAX)


@asynccontextmanager
async def open_browser() -> AsyncIterator[Browser]:
    """Chromium without a window."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--no-proxy-server"], env={**os.environ}
        )
        try:
            yield browser
        finally:
            await browser.close()


async def open_context(browser: Browser, width: int, scheme: Scheme, **options: Any) -> BrowserContext:
    """A window of this width, without cookies; a narrow one is a phone's."""
    context = await browser.new_context(
        viewport={"width": width, "height": HEIGHT[width]},
        color_scheme=scheme,
        has_touch=width < 500,
        is_mobile=width < 500,
        reduced_motion="reduce",
        **options,
    )
    context.set_default_timeout(SHOWN_MS_MAX)
    return context


async def accessibility_faults(page: Page) -> list[str]:
    """What axe finds that is serious, each with where it is."""
    axe = await asyncio.to_thread((packages.node_packages("axe") / "node_modules/axe-core/axe.min.js").read_text)
    await page.evaluate(axe)
    found = await page.evaluate(AXE)
    return [
        f"{fault['id']}: {fault['help']}: {[node['target'] for node in fault['nodes']]}"
        for fault in found["violations"]
        if fault["impact"] in SERIOUS
    ]


async def overflow_px(page: Page) -> int:
    """How much wider than the window the page is."""
    return int(await page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))
