"""One request of a signed-in operator: who it is, what they may do, and the admin API in their name."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any
from urllib.parse import quote, urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from uuid_utils.compat import uuid7

from atelier_gateway.container import Container
from atelier_gateway.identity import ended_sessions
from atelier_gateway.identity.operator_store import StoredOperator
from atelier_gateway.surfaces.admin.access import RANKS
from atelier_gateway.surfaces.console.admin_api import AdminApi, CallRefused
from atelier_gateway.surfaces.console.responses import PREFIX, render
from atelier_gateway.surfaces.console.sessions import COOKIE, Session, SessionSigner, mark_of

LOGIN = f"{PREFIX}/login"


class Console:
    """What the pages share: the admin API, the signer of sessions, the container."""

    def __init__(self, container: Container, said: Mapping[str, str]) -> None:
        self.container = container
        self.said = said
        """What a page says after an act, by the act's name."""
        self.api = AdminApi(container)

    @cached_property
    def signer(self) -> SessionSigner:
        """Signs the sessions of this installation."""
        return SessionSigner(self.container.settings.key_pepper.get_secret_value())

    async def visit(self, request: Request) -> "Visit | None":
        """The visit of a signed-in operator; None without a session that holds."""
        session = self.signer.read(request.cookies.get(COOKIE, ""), datetime.now(UTC))
        operator = await self.container.operator_authenticator.find(session.operator_id) if session else None
        if session is None or operator is None or mark_of(operator) != session.mark:
            return None
        if await ended_sessions.has_ended(self.container.pool, session.nonce):
            return None
        return Visit(self, request, operator, session)


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a page: what the admin API answered, or why it did not."""

    value: dict[str, Any] | None
    why_not: str | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """A request with its operator."""

    console: Console
    request: Request
    operator: StoredOperator
    session: Session

    @property
    def form_token(self) -> str:
        """For the forms of this session."""
        return self.console.signer.form_token(self.session)

    def may(self, role: str) -> bool:
        """Whether the operator's role suffices. Pages hide what it does not; the admin API refuses it."""
        return RANKS[self.operator.role] >= RANKS[role]  # type: ignore[index]  # roles of acts are roles

    def new_key(self) -> str:
        """An Idempotency-Key for one form."""
        return uuid7().hex

    def query(self, *names: str) -> dict[str, str]:
        """The parameters of the page's address by these names; the empty ones are left out."""
        return {name: value for name in names if (value := self.request.query_params.get(name, "").strip())}

    async def get(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """What the admin API has there. Raises CallRefused."""
        return await self.console.api.get(self.operator, path, params)

    async def part(self, path: str, params: Mapping[str, Any] | None = None) -> Part:
        """As ``get``, for a part that the page can do without."""
        try:
            return Part(await self.get(path, params))
        except CallRefused as error:
            return Part(None, error.detail)

    async def parts(self, *paths: str) -> list[Part]:
        """Several at once."""
        return list(await asyncio.gather(*(self.part(path) for path in paths)))

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page with this operator's frame around it."""
        origin = self.console.container.objects.public_origin
        said = self.console.said.get(self.request.query_params.get("done", ""))
        shown = {"visitor": self, "now": datetime.now(UTC), "said": said, "address": self.address, **values}
        return render(template, shown, status=status, image_origin=origin)

    @property
    def address(self) -> str:
        """Of this page, for the form that comes back to it; without what was done last."""
        kept = [(name, value) for name, value in self.request.query_params.multi_items() if name != "done"]
        return self.request.url.path + (f"?{urlencode(kept)}" if kept else "")

    def next_address(self, cursor: str | None) -> str | None:
        """Of the next page of a list."""
        if cursor is None:
            return None
        kept = [(n, v) for n, v in self.request.query_params.multi_items() if n not in ("done", "cursor") and v]
        return f"{self.request.url.path}?{urlencode([*kept, ('cursor', cursor)])}"


Page = Callable[[Visit], Awaitable[Response]]


def guarded(console: Console, page: Page) -> Callable[[Request], Awaitable[Response]]:
    """The page for who is signed in; the others are led to the login, and back from there."""

    async def respond(request: Request) -> Response:
        visit = await console.visit(request)
        if visit is None:
            back = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse(f"{LOGIN}?next={quote(back, safe='')}", 303)
        try:
            return await page(visit)
        except CallRefused as error:
            title = str(error.problem.get("title") or "Refused")
            return visit.page("problem.html", status=error.status, title=title, detail=error.detail)

    return respond
