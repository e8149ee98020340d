"""``/play`` in a real browser, in the words of somebody who uses it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from playwright.async_api import Browser, Page, Request, Route
from playwright.async_api import TimeoutError as PlaywrightTimeout

from whole_system.looks import Scheme, accessibility_faults, open_context, overflow_px

CREATE = "**/v1/generations"


@dataclass
class PlayPage:
    """One tab."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    """Errors of scripts, and what the page's policy forbade."""
    requests: list[Request] = field(default_factory=list)

    @classmethod
    @asynccontextmanager
    async def open(
        cls, browser: Browser, url: str, *, width: int = 1440, scheme: Scheme = "light", **options: Any
    ) -> AsyncIterator[Self]:
        """The page as it first appears; a narrow one is a phone's."""
        context = await open_context(browser, width, scheme, **options)
        try:
            opened = cls(await context.new_page(), url)
            opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
            opened.page.on(
                "console", lambda said: opened.complaints.append(said.text) if "Policy" in said.text else None
            )
            opened.page.on("request", lambda request: opened.requests.append(request))  # it takes no built-in method
            await opened.page.goto(f"{url}/play")
            yield opened
        finally:
            await context.close()

    async def sign_in(self, key: str) -> None:
        """With the keyboard alone."""
        await self.page.get_by_label("API key or client token").fill(key)
        await self.page.keyboard.press("Enter")

    async def choose(self, kind: str) -> None:
        """A kind of work."""
        await self.page.get_by_role("radio", name=kind, exact=True).check(force=True)

    async def add_photo(self, role: str, path: Path) -> None:
        """A photo from a file, once it is uploaded."""
        slot = self.page.get_by_role("group", name=role)
        await slot.get_by_label("Choose").set_input_files(path)
        await slot.locator("li[data-state=ready]", has_text=path.name).wait_for()

    async def describe(self, words: str) -> None:
        """What it should show, or the text to read."""
        await self.page.locator("form#order textarea").fill(words)

    async def see_price(self, credits: int) -> None:
        """Waits until the button names this price."""
        await self.button_for(credits).wait_for()

    def button_for(self, credits: int) -> Any:
        """The button that orders it."""
        return self.page.get_by_role("button", name=f"Make it for {credits} credit", exact=False)

    async def see_status(self, words: str) -> None:
        """Waits until the result's title is this. Raises AssertionError, with what the page says instead."""
        try:
            await self.page.get_by_role("heading", level=2, name=words, exact=True).wait_for()
        except PlaywrightTimeout:
            said = await self.page.locator("main").inner_text()
            raise AssertionError(f"the page never said {words!r}; it says: {said}") from None

    async def simulate(self, how: str) -> None:
        """Creates are simulated from now on."""

        async def add(route: Route) -> None:
            await route.continue_(headers={**route.request.headers, "x-atelier-simulate": how})

        await self.page.route(CREATE, lambda route: add(route) if route.request.method == "POST" else route.continue_())

    async def shown(self, selector: str) -> str:
        """The text of an element, as it is seen."""
        return await self.page.locator(selector).inner_text()

    async def accessibility_faults(self) -> list[str]:
        """What axe finds that is serious, each with where it is."""
        return await accessibility_faults(self.page)

    async def overflow_px(self) -> int:
        """How much wider than the window the page is."""
        return await overflow_px(self.page)
