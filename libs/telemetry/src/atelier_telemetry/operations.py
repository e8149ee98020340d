"""The operations API of every service: liveness, readiness and metrics."""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, HTTPException, Response
from fastapi.responses import JSONResponse
from fastapi.telemetry import TelemetryConfig
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from pydantic import SecretStr

Check = Callable[[], Awaitable[bool]]
"""True when the part can be used right now."""

CHECK_S_MAX = 2.0
PROCESS = "process"
"""The check that fails once the process is shutting down."""
ONE_SPAN_A_REQUEST: TelemetryConfig = {
    "operation_spans": False,
    "metrics": False,
    "logs": False,
    "exclude": lambda scope: scope["path"].startswith(("/health/", "/metrics")),
}
"""For ``FastAPI(telemetry=...)``: our own metrics and logs say the rest, and probes are not worth a trace."""


def operations_router(checks: Mapping[str, Check]) -> APIRouter:
    """``/health/live``, ``/health/ready`` (503 naming each part that fails) and ``/metrics``; not in the public API."""
    router = health_router(checks, name_parts=True)

    @router.get("/metrics")
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


def health_router(checks: Mapping[str, Check], *, name_parts: bool) -> APIRouter:
    """``/health/live`` and ``/health/ready``. A public listener does not name the parts."""
    router = APIRouter(include_in_schema=False)

    @router.get("/health/live")
    async def live() -> dict[str, str]:
        return {"status": "live"}

    @router.get("/health/ready")
    async def ready() -> JSONResponse:
        # A process that shuts down answers at once, without the other checks, so that no load balancer waits.
        ends = PROCESS in checks and not await _holds(checks[PROCESS])
        names = [PROCESS] if ends else list(checks)
        answers = await asyncio.gather(*(_holds(checks[name]) for name in names))
        parts = {name: "ok" if ok else "failing" for name, ok in zip(names, answers, strict=True)}
        healthy = all(answers)
        status = {"status": "ready" if healthy else "not ready"}
        return JSONResponse(status | ({"parts": parts} if name_parts else {}), 200 if healthy else 503)

    return router


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
