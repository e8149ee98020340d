"""Signing in with an operator's token, and out again."""

import logging
import re
from datetime import UTC, datetime

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from atelier_gateway.identity import ended_sessions
from atelier_gateway.surfaces.console.responses import PREFIX, render
from atelier_gateway.surfaces.console.sessions import COOKIE, HOURS
from atelier_gateway.surfaces.console.visits import LOGIN, Console
from atelier_gateway.web.problems import Problem

TOKEN_CHARS_MAX = 500
LOCAL = re.compile(rf"{PREFIX}(?:[/?][\w/?=&.%:+-]*)?", re.ASCII)
"""Addresses of this console, the only ones that a form leads to."""
logger = logging.getLogger(__name__)


def router(console: Console) -> APIRouter:
    """``/console/login`` and ``/console/logout``."""
    routes = APIRouter(include_in_schema=False)

    @routes.get(LOGIN)
    async def login(request: Request) -> Response:
        if await console.visit(request) is not None:
            return RedirectResponse(PREFIX, 303)
        return render("login.html", {"next": local_or_home(request.query_params.get("next", "")), "problem": None})

    @routes.post(LOGIN)
    async def sign_in(request: Request) -> Response:
        if (refusal := foreign_form(request)) is not None:
            return refusal
        form = await request.form()
        token, target = str(form.get("token", ""))[:TOKEN_CHARS_MAX].strip(), local_or_home(str(form.get("next", "")))
        try:
            operator = await console.container.operator_authenticator.authenticate_token(token)
        except Problem as error:
            logger.warning("console sign-in failed: the token is unknown or no longer valid; the login is shown again")
            return render("login.html", {"next": target, "problem": error.detail}, status=error.status)
        logger.info("console: %s (%s) signed in as %s", operator.name, operator.id, operator.role)
        response = RedirectResponse(target, 303)
        _set_cookie(console, response, console.signer.open(operator, datetime.now(UTC)), HOURS * 3600)
        return response

    @routes.post(f"{PREFIX}/logout")
    async def sign_out(request: Request) -> Response:
        if (refusal := foreign_form(request)) is not None:
            return refusal
        if (visit := await console.visit(request)) is not None:
            await ended_sessions.end(console.container.pool, visit.session.nonce, visit.session.ends_at)
        response = RedirectResponse(LOGIN, 303)
        _set_cookie(console, response, "", 0)
        return response

    return routes


def local_or_home(address: str) -> str:
    """The address where it is one of this console's, else its first page."""
    return address if LOCAL.fullmatch(address) else PREFIX


def foreign_form(request: Request) -> Response | None:
    """The refusal of a form that the browser says another site sent. Browsers that say nothing send no form of another
    site with the session either, whose cookie is SameSite=Strict."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none"):
        return None
    return refused_form("Another site sent this form; nothing was done.")


def refused_form(detail: str) -> Response:
    """The answer to a form that is none of this session's."""
    return render("problem.html", {"title": "This form cannot be taken", "detail": detail}, status=403)


def _set_cookie(console: Console, response: Response, value: str, seconds: int) -> None:
    response.set_cookie(
        COOKIE,
        value,
        max_age=seconds,
        path=PREFIX,
        secure=console.container.settings.environment != "local",
        httponly=True,
        samesite="strict",
    )
