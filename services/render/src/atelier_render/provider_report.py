"""Internal HTTP API of how the providers do, for operators: their times and failures, submissions whose outcome is not
known, and breakers that are held open or closed."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, HTTPException, Query
from pydantic import BaseModel, Field, SecretStr

from atelier_messaging.database import Pool
from atelier_render.provider_calls.breaker_overrides import BreakerOverrides
from atelier_render.providers.protocol import Provider
from atelier_render.store import standing
from atelier_telemetry.operations import NOTHING_THERE, require_token

HOURS_MAX = 24 * 7
UNKNOWN_MAX = 200
HELD_S_MAX = 7 * 86_400
NO_ATTEMPTS = {"attempts": 0, "failed": 0, "p50_s": None, "p95_s": None}
Hours = Annotated[int, Query(ge=1, le=HOURS_MAX)]


class Holding(BaseModel):
    """An order to hold a breaker."""

    state: Literal["open", "closed"]
    seconds: float = Field(ge=1, le=HELD_S_MAX)
    reason: str = Field(min_length=1, max_length=500)
    operator: str = Field(min_length=1, max_length=200)


def provider_router(
    pool: Pool, token: SecretStr, providers: Sequence[Provider], overrides: BreakerOverrides
) -> APIRouter:
    """Routes under ``/internal/providers``, for holders of the service token."""
    router = APIRouter(prefix="/internal/providers", dependencies=require_token(token), include_in_schema=False)

    @router.get("")
    async def list_providers(hours: Hours = 24) -> dict[str, Any]:
        """Each provider that is configured or was used in these hours, with its breaker in this process."""
        return {"providers": await _standings(pool, providers, overrides, hours)}

    @router.get("/unknown")
    async def unknown(
        limit: Annotated[int, Query(ge=1, le=UNKNOWN_MAX)] = 50, before: UUID | None = None
    ) -> dict[str, Any]:
        """Submissions that may cost something, with an outcome that is not known."""
        return {"submissions": await standing.unknown_submissions(pool, before=before, limit=limit)}

    @router.get("/requests/{request_id}")
    async def find(request_id: str) -> dict[str, Any]:
        """The generations that a provider's own request id belongs to."""
        return {"generations": await standing.find_by_request_id(pool, request_id)}

    @router.put("/{name}/breaker")
    async def hold(name: str, order: Holding) -> dict[str, Any]:
        """Holds its breaker open or closed in every process; 404 where it has none."""
        _require_gate(overrides, name)
        await standing.hold_breaker(
            pool, name, order.state, order.seconds, reason=order.reason, operator=order.operator
        )
        await overrides.refresh()
        return {"state": overrides.gates[name].state}

    @router.delete("/{name}/breaker")
    async def release(name: str) -> dict[str, Any]:
        """Lets its breaker follow its own counts again."""
        _require_gate(overrides, name)
        await standing.release_breaker(pool, name)
        await overrides.refresh()
        return {"state": overrides.gates[name].state}

    return router


async def _standings(
    pool: Pool, providers: Sequence[Provider], overrides: BreakerOverrides, hours: int
) -> list[dict[str, Any]]:
    first = UUID(int=int((datetime.now(UTC) - timedelta(hours=hours)).timestamp() * 1_000) << 80)
    attempts, outcomes, held = await asyncio.gather(
        standing.recent_attempts(pool, first), standing.recent_outcomes(pool, first), standing.breaker_overrides(pool)
    )
    holds = {each.provider: each._asdict() for each in held}
    configured = [provider.name for provider in providers]
    return [
        {
            "provider": name,
            "configured": name in configured,
            "breaker": overrides.gates[name].state if name in overrides.gates else None,
            "override": holds.get(name),
            "outcomes": outcomes.get(name, {}),
            **attempts.get(name, NO_ATTEMPTS),
        }
        for name in dict.fromkeys((*configured, *sorted({*attempts, *outcomes})))
    ]


def _require_gate(overrides: BreakerOverrides, name: str) -> None:
    if name not in overrides.gates:
        raise HTTPException(404, "render has no breaker for this provider", NOTHING_THERE)
