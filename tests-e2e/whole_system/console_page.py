"""``/console`` in a real browser, in the words of an operator."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from playwright.async_api import Browser, Locator, Page, expect

from whole_system.looks import Scheme, open_context, overflow_px


@dataclass
class ConsolePage:
    """One tab of a signed-in operator."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    """Errors of scripts, and what the page's policy forbade."""
    interactions: int = 0

    @classmethod
    @asynccontextmanager
    async def open(
        cls, browser: Browser, url: str, token: str, *, width: int = 1440, scheme: Scheme = "light", **options: Any
    ) -> AsyncIterator[Self]:
        """The first page after the sign-in, with the keyboard alone."""
        context = await open_context(browser, width, scheme, **options)
        try:
            opened = cls(await context.new_page(), f"{url}/console")
            opened.page.on("pageerror", lambda error: opened.complaints.append(str(error)))
            opened.page.on(
                "console", lambda said: opened.complaints.append(said.text) if "Policy" in said.text else None
            )
            await opened.page.goto(opened.url)
            await opened.page.get_by_label("Operator token").fill(token)
            await opened.page.keyboard.press("Enter")
            await opened.see("Overview")
            yield opened
        finally:
            await context.close()

    async def see(self, title: str) -> None:
        """Waits until the page's title begins with this."""
        await expect(self.page.get_by_role("heading", level=1)).to_contain_text(title)

    async def see_text(self, text: str) -> None:
        """Waits until the page says this."""
        await expect(self.page.get_by_role("main")).to_contain_text(text)

    async def find(self, text: str) -> None:
        """Types into the field at the top, reached by its key."""
        self.interactions += 2
        await self.page.wait_for_load_state()  # the keys are the script's, which runs after the page can be read
        await self.page.keyboard.press("/")
        await expect(self.page.get_by_label("Find anything")).to_be_focused()
        await self.page.keyboard.type(text)
        await self.page.keyboard.press("Enter")

    async def go(self, place: str) -> None:
        """A link of the frame."""
        self.interactions += 1
        await self.page.get_by_role("navigation", name="Console").get_by_role("link", name=place, exact=True).click()

    async def click(self, target: Locator) -> None:
        """One interaction."""
        self.interactions += 1
        await target.click()

    async def fill(self, label: str, text: str) -> None:
        """One interaction: a field by its label."""
        self.interactions += 1
        await self.page.get_by_label(label).fill(text)

    async def check(self, box: Locator) -> None:
        """One interaction."""
        self.interactions += 1
        await box.check()

    async def load_again(self) -> None:
        """One interaction, by its key."""
        self.interactions += 1
        await self.page.wait_for_load_state()  # as in find()
        async with self.page.expect_navigation():
            await self.page.keyboard.press("r")

    def region(self, name: str) -> Locator:
        """A part of the page by its heading."""
        return self.page.get_by_role("region", name=name)

    async def act(self, label: str, reason: str, *, within: Locator | None = None) -> None:
        """Opens an act, which fits the window, gives a reason, sends its form."""
        self.interactions += 3
        acts = (within or self.page.locator("main")).locator("details.act")
        act = acts.filter(has=self.page.locator("summary", has_text=label)).first
        await act.locator("summary").click()
        assert await overflow_px(self.page) == 0
        await act.get_by_label("Reason").fill(reason)
        await act.get_by_role("button", name=label).click()
