"""The operations API of every service: liveness, readiness and metrics."""

import asyncio
import hmac
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Query, Response
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from prometheus_client import REGISTRY
from prometheus_client.exposition import choose_encoder
from pydantic import SecretStr

from atelier_telemetry import metrics as declared
from atelier_telemetry.server_span import TRACEPARENT

Check = Callable[[], Awaitable[bool]]
"""True when the part can be used right now."""

CHECK_S_MAX = 2.0
CHECK_FRESH_S = 10.0
"""Seconds for which ``/metrics`` shows what a probe has found; then it looks itself."""
NOTHING_THERE = {"X-Atelier-Answer": "nothing-there"}
"""Header of a 404 by which a service says itself that it has no such record. A 404 of another origin lacks it: a wrong
address, a proxy."""
NOT_DONE = {"X-Atelier-Answer": "not-done"}
"""Headers of a 503 by which a service says that nothing of the request was done. Without them it may have been: a
commit whose acknowledgement was lost is a 503, too."""
READINESS = "atelier_part_ready"
"""The metric for which ``/metrics`` looks at the parts."""
PROCESS = "process"
"""The check that fails once the process is shutting down."""


def is_polling(scope: Mapping[str, Any]) -> bool:
    """Whether a request looks for work or at the process: a probe, a scrape, a service that asks outside a trace."""
    path: str = scope["path"]
    if path.startswith(("/health/", "/metrics")):
        return True
    return path.startswith("/internal/") and all(name != TRACEPARENT for name, _ in scope["headers"])


ONE_SPAN_A_REQUEST: TelemetryConfig = {
    "operation_spans": False,
    "metrics": False,
    "logs": False,
    "exclude": is_polling,
}
"""For ``FastAPI(telemetry=...)``: our own metrics and logs say the rest, and polling is not worth a trace."""


def is_not_done(headers: Mapping[str, str]) -> bool:
    """Whether a failure with these headers (of any case) is the service's own word that nothing was done."""
    return all(headers.get(name) == value for name, value in NOT_DONE.items())


def is_nothing_there(headers: Mapping[str, str]) -> bool:
    """Whether a 404 with these headers (of any case) is the service's own word that it has no such record."""
    return all(headers.get(name) == value for name, value in NOTHING_THERE.items())


def operations_router(checks: Mapping[str, Check]) -> APIRouter:
    """``/health/live``, ``/health/ready`` (503 naming each part that fails) and ``/metrics``; not in the public API.
    ``/metrics?name[]=`` shows the samples of those names alone, as other exporters do."""
    asked_at = -CHECK_FRESH_S

    async def ask_and_count() -> dict[str, bool]:
        nonlocal asked_at
        answers = await _ask(checks)
        asked_at = time.monotonic()
        for name, holds in answers.items():
            if name != PROCESS:
                declared.PART_READY.labels(name).set(holds)
        return answers

    router = _health_router(ask_and_count, name_parts=True)

    @router.get("/metrics")
    async def metrics(
        names: Annotated[list[str] | None, Query(alias="name[]")] = None, accept: Annotated[str, Header()] = ""
    ) -> Response:
        encode, content_type = choose_encoder(accept)  # OpenMetrics, which has exemplars, for who asks for it
        if time.monotonic() - asked_at > CHECK_FRESH_S and (names is None or READINESS in names):
            await ask_and_count()
        asked = REGISTRY if names is None else REGISTRY.restricted_registry(names)
        return Response(encode(asked), headers={"Content-Type": content_type})

    return router


def health_router(checks: Mapping[str, Check], *, name_parts: bool) -> APIRouter:
    """``/health/live`` and ``/health/ready``. A public listener does not name the parts."""
    return _health_router(partial(_ask, checks), name_parts=name_parts)


def _health_router(ask: Callable[[], Awaitable[dict[str, bool]]], *, name_parts: bool) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/health/ready")
    async def ready() -> JSONResponse:
        answers = await ask()
        parts = {name: "ok" if ok else "failing" for name, ok in answers.items()}
        healthy = all(answers.values())
        status = {"status": "ready" if healthy else "not ready"}
        return JSONResponse(status | ({"parts": parts} if name_parts else {}), 200 if healthy else 503)

    return router


async def _ask(checks: Mapping[str, Check]) -> dict[str, bool]:
    # A process that shuts down answers at once, without the other checks, so that no load balancer waits.
    ends = PROCESS in checks and not await _holds(checks[PROCESS])
    names = [PROCESS] if ends else list(checks)
    answers = await asyncio.gather(*(_holds(checks[name]) for name in names))
    return dict(zip(names, answers, strict=True))


async def _holds(check: Check) -> bool:
    """A check that raises or hangs is a check that fails."""
    try:
        async with asyncio.timeout(CHECK_S_MAX):
            return await check()
    except Exception:  # noqa: BLE001 - whatever went wrong, the answer is: not ready
        return False


def bearer_guard(token: SecretStr) -> Callable[..., Awaitable[None]]:
    """A dependency that answers 401 unless ``Authorization: Bearer`` carries this token (constant-time)."""
    expected = f"Bearer {token.get_secret_value()}".encode()

    async def guard(authorization: Annotated[str, Header()] = "") -> None:
        if not hmac.compare_digest(authorization.encode(), expected):
            raise HTTPException(401, "a valid bearer token is required", {"WWW-Authenticate": "Bearer"})

    return guard


def require_token(token: SecretStr) -> list[Any]:
    """The ``dependencies=`` of a router that only a holder of the token may use."""
    return [Depends(bearer_guard(token))]
