"""Statements: a month of an account as one signed file of JSON lines, or as a page for a person. Sent as it is read."""

import asyncio
import logging
import re
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from datetime import UTC, datetime
from typing import Any

import httpx
from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from atelier_contracts import Owner
from atelier_gateway.container import Container
from atelier_gateway.pages import statement_page
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.peers.statements import open_statement
from atelier_gateway.rate_limits.request_limits import RequestLimits, with_rate_limits
from atelier_gateway.surfaces.native.generations import PREFIX
from atelier_gateway.surfaces.native.request_rules import owner_rule
from atelier_gateway.web.openapi_responses import WORKSPACE, answers, query
from atelier_gateway.web.problems import Problem, field_problem, not_found

JSON_LINES, HTML = "application/jsonl", "text/html"
STATEMENTS_MAX, STATEMENTS_OF_OWNER_MAX = 16, 2
"""Sent at once by one process: in all, and of one owner."""
SEND_S_MAX = 900.0
"""How long a client may take to read one."""
_MONTH = re.compile(r"(?P<year>20[0-9]{2})-(?P<month>0[1-9]|1[0-2])")
logger = logging.getLogger(__name__)

STATEMENT = answers(
    {200: ("The lines: what there was before, postings, receipts, usage, the signature.", None)},
    *("invalid_request", "not_found", "unavailable"),
)
STATEMENT[200]["content"] = {kind: {"schema": {"type": "string"}} for kind in (JSON_LINES, HTML)}
PARAMETERS = [
    query("format", {"type": "string", "enum": ["jsonl", "html"]}, "`html`: a page for a person; also by `Accept`."),
    WORKSPACE,
]


def router(container: Container) -> APIRouter:
    """The route of statements."""
    routes = APIRouter(prefix=PREFIX, tags=["Credits"])
    per_owner = owner_rule(container.settings.native_requests_per_minute)
    under_way = StatementsUnderWay()

    @routes.get("/statements/{month}", responses=STATEMENT, openapi_extra={"parameters": PARAMETERS})
    async def get_statement(request: Request, month: str) -> Response:
        """Get the statement of a month (`2026-11`, UTC): every posting of your account with the balances before and
        after, the receipts, and the usage, in one signed file."""
        return await with_rate_limits(container.rate_limiter, lambda gate: state(request, month, gate))

    async def state(request: Request, month: str, gate: RequestLimits) -> Response:
        principal = await container.authenticator.authenticate(request.headers)
        await gate.take(per_owner, f"{principal.owner.kind}:{principal.owner.id}")
        since, until = _month_of(month)
        media_type = _media_type_of(request.query_params.get("format"), request.headers.get("Accept", ""))
        stream = await under_way.open(principal.owner, open_statement(container.peers, principal.owner, since, until))
        if stream is None:
            raise not_found("statement")
        name = f"{'test-' if principal.owner.is_test else ''}statement-{month}"
        return StatementResponse(stream, under_way, principal.owner, media_type, name)

    return routes


class StatementsUnderWay:
    """How many are sent at the moment: each keeps a connection to billing."""

    def __init__(self) -> None:
        self._of_owner: Counter[Owner] = Counter()

    async def open(self, owner: Owner, opening: Coroutine[Any, Any, httpx.Response | None]) -> httpx.Response | None:
        """The statement, counted until ``end`` unless there is none. Raises Problem 503 where billing does not answer,
        and where there are as many as there may be."""
        if self._of_owner.total() >= STATEMENTS_MAX or self._of_owner[owner] >= STATEMENTS_OF_OWNER_MAX:
            opening.close()
            raise Problem("unavailable", "Too many statements are being sent.", headers={"Retry-After": "5"})
        self._of_owner[owner] += 1
        stream = None
        try:
            stream = await opening
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        finally:
            if stream is None:
                self.end(owner)
        return stream

    def end(self, owner: Owner) -> None:
        """One is over."""
        self._of_owner[owner] -= 1
        if not self._of_owner[owner]:
            del self._of_owner[owner]


class StatementResponse(StreamingResponse):
    """Passes billing's lines on. Where they break off the connection closes before its end."""

    def __init__(
        self, stream: httpx.Response, under_way: StatementsUnderWay, owner: Owner, media_type: str, name: str
    ) -> None:
        lines: AsyncIterator[bytes] = stream.aiter_bytes()
        if media_type == HTML:
            super().__init__(statement_page.render(lines), media_type=HTML, headers=statement_page.HEADERS)
        else:
            super().__init__(lines, media_type=JSON_LINES)
            self.headers["Content-Disposition"] = f'attachment; filename="{name}.jsonl"'
        self._stream = stream
        self._under_way = under_way
        self._owner = owner

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it."""
        try:
            async with asyncio.timeout(SEND_S_MAX):
                await super().__call__(scope, receive, send)
        except (TimeoutError, httpx.HTTPError) as error:
            logger.warning("statement of %s %s broke off, closed: %r", self._owner.kind, self._owner.id, error)
        finally:
            self._under_way.end(self._owner)
            await self._stream.aclose()


def _month_of(text: str) -> tuple[datetime, datetime]:
    """Its first moment, and that of the next. Raises Problem 404."""
    named = _MONTH.fullmatch(text)
    if named is None:
        raise not_found("statement")
    year, month = int(named["year"]), int(named["month"])
    return datetime(year, month, 1, tzinfo=UTC), datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)


def _media_type_of(named: str | None, accepted: str) -> str:
    if named not in (None, "jsonl", "html"):
        raise field_problem("format", "jsonl or html is required")
    return HTML if named == "html" or (named is None and HTML in accepted) else JSON_LINES
