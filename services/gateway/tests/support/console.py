"""The console in the hands of a test, without a browser: its session, its forms."""

import html.parser
from dataclasses import dataclass, field
from typing import Any, Self

import httpx

from .operators import operator
from .world import World

CONSOLE = "/console"


class Forms(html.parser.HTMLParser):
    """The forms of a page: their address, and the values that they would send."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag == "form":
            self.forms.append((named.get("action") or "", {}))
        elif tag == "input" and self.forms and named.get("name"):
            self.forms[-1][1][str(named["name"])] = named.get("value") or ""

    def find(self, act: str) -> dict[str, str] | None:
        """The values of an act's form; None where the page has none."""
        return next((values for address, values in self.forms if address == f"{CONSOLE}/acts/{act}"), None)


@dataclass
class Desk:
    """An operator who is signed in, and their cookie."""

    world: World
    token: str
    cookies: dict[str, str] = field(default_factory=dict)

    @classmethod
    async def of(cls, world: World, role: str = "operator") -> Self:
        """An operator of this role at the console."""
        _, headers = await operator(world, role)
        desk = cls(world, headers["Authorization"].removeprefix("Bearer "))
        assert (await desk.sign_in()).status_code == 303
        return desk

    async def sign_in(self, token: str | None = None, **fields: str) -> httpx.Response:
        sent = await self.world.operations.post(f"{CONSOLE}/login", data={"token": token or self.token, **fields})
        self.cookies = dict(sent.cookies)
        self.world.operations.cookies.clear()
        return sent

    async def read(self, path: str = "", **params: Any) -> httpx.Response:
        return await self.world.operations.get(CONSOLE + path, params=params, headers=self._headers())

    async def send(self, act: str, values: dict[str, str], **headers: str) -> httpx.Response:
        return await self.world.operations.post(
            f"{CONSOLE}/acts/{act}",
            data=values,
            headers=self._headers() | {k.replace("_", "-"): v for k, v in headers.items()},
        )

    async def form(self, path: str, act: str) -> dict[str, str] | None:
        """The form of an act on a page."""
        return Forms((await self.read(path)).text).find(act)

    def _headers(self) -> dict[str, str]:
        return {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items())}
