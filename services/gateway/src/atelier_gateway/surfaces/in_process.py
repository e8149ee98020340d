"""A client of some of our own routes, called inside this process by another surface, on behalf of its caller."""

from collections.abc import Callable

import httpx
from fastapi import APIRouter, FastAPI, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from atelier_gateway.web.problems import Problem, problem_json


def open_client(
    router: APIRouter, *, timeout_s: float, prepare: Callable[[Scope], None] | None = None
) -> httpx.AsyncClient:
    """No socket is between caller and routes, and no middleware: the outer request passed that. ``prepare`` adds to the
    scope of each call what no client could send."""
    routes = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    routes.include_router(router)
    routes.add_exception_handler(Problem, _render)

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        scope["fastapi.telemetry"] = None  # the outer request has a span
        if prepare is not None:
            prepare(scope)
        await routes(scope, receive, send)

    return httpx.AsyncClient(transport=httpx.ASGITransport(call), base_url="http://gateway", timeout=timeout_s)


async def _render(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return problem_json(problem)
