"""The HTTP application of a service behind the gateway: its internal API, which answers an outage with 503."""

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from fastapi import FastAPI
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atelier_messaging.errors import is_outage
from atelier_telemetry.operations import ONE_SPAN_A_REQUEST

AGAIN_AFTER_S = 1
logger = logging.getLogger(__name__)


def create_service_app(title: str, lifespan: Callable[[FastAPI], AbstractAsyncContextManager[None]]) -> FastAPI:
    """Without documentation pages. A request that meets an outage of the database or the broker is answered 503 with
    ``Retry-After``, and is one line of the log."""
    app = FastAPI(
        title=title,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        telemetry=ONE_SPAN_A_REQUEST,
    )
    app.add_middleware(OutageAnswer)
    return app


class OutageAnswer:
    """Wraps an application: an outage that it raises before it has begun to answer becomes a 503."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_started = False

        async def note_start(message: Message) -> None:
            nonlocal has_started
            has_started = True
            await send(message)

        try:
            await self._app(scope, receive, note_start)
        except Exception as error:
            if has_started or not is_outage(error):
                raise
            logger.warning("%s %s failed, answering 503: %r", scope["method"], scope["path"], error)
            detail = "a part of this installation that this service needs does not answer"
            answer = JSONResponse({"detail": detail}, 503, {"Retry-After": str(AGAIN_AFTER_S)})
            await answer(scope, receive, send)
