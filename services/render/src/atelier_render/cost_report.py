"""What submissions cost, for the operator's report: sums by provider, model and day, and each submission that cost
something, to be compared with what was charged for its generation. In micro-units; days are of UTC."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, SecretStr

from atelier_messaging.database import Pool
from atelier_render.cost_table import CostTable
from atelier_telemetry import metrics
from atelier_telemetry.operations import require_token

EXPOSURE_EVERY_S = 15.0
ROWS_MAX = 5_000
BEGINNING = UUID(int=0)
ID_SLACK = timedelta(days=1)
"""Ids are made by the clock of a process, times by that of the database."""
_GROUPS = {"provider": "provider", "model": "model", "day": "(sent_at AT TIME ZONE 'UTC')::date"}
# Ids are UUIDv7: a range of them is a range of time, read off the primary key.
_PERIOD = "id >= $1 AND id < $2 AND sent_at >= $3 AND sent_at < $4 AND outcome IS DISTINCT FROM 'not_sent'"
_SUMS = """
SELECT {provider} AS provider, {model} AS model, {day} AS day, currency, count(*) AS submissions,
       count(*) FILTER (WHERE usage IS NOT NULL AND cost_micros IS NULL AND state = 'ended') AS unpriced,
       count(*) FILTER (WHERE exposure_micros > 0) AS unknown,
       COALESCE(sum(cost_micros), 0)::bigint AS cost_micros,
       COALESCE(sum(exposure_micros), 0)::bigint AS exposure_micros
FROM submissions WHERE {period} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
"""
_COSTLY = f"""
SELECT id, generation_id, provider, model, (sent_at AT TIME ZONE 'UTC')::date AS day, currency, cost_micros,
       outcome IN ('succeeded', 'partial') AS delivered
FROM submissions WHERE {_PERIOD} AND id > $5 AND cost_micros > 0 ORDER BY id LIMIT $6
"""  # noqa: S608 - constants only
_EXPOSURE = """
SELECT provider, currency, count(*) AS submissions, COALESCE(sum(exposure_micros), 0)::bigint AS micros
FROM submissions WHERE exposure_micros > 0 GROUP BY 1, 2
"""


def cost_router(pool: Pool, token: SecretStr, costs: CostTable | None) -> APIRouter:
    """Routes under ``/internal/costs``, for holders of the service token."""
    router = APIRouter(prefix="/internal/costs", dependencies=require_token(token), include_in_schema=False)

    @router.get("/sums")
    async def sums(since: AwareDatetime, until: AwareDatetime, by: str = "") -> dict[str, Any]:
        """Submissions, cost and exposure, in groups of what ``by`` names: provider, model, day."""
        named = {name: _GROUPS[name] if name in by.split(",") else "NULL" for name in _GROUPS}
        rows = await pool.fetch(_SUMS.format(**named, period=_PERIOD), *_bounds(since, until))
        return {"sums": [dict(row) for row in rows], "table": _declared(costs)}

    @router.get("/submissions")
    async def submissions(
        since: AwareDatetime,
        until: AwareDatetime,
        limit: Annotated[int, Query(ge=1, le=ROWS_MAX)],
        after: UUID = BEGINNING,
    ) -> dict[str, Any]:
        """The submissions that cost something, in the order of their ids."""
        rows = await pool.fetch(_COSTLY, *_bounds(since, until), after, limit)
        return {"submissions": [dict(row) for row in rows]}

    return router


class ExposureGauge:
    """Keeps the metric of what submissions without a known outcome may cost."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._shown: set[tuple[str, str]] = set()

    async def measure(self) -> None:
        """Reads it once; who has none any more is shown with 0."""
        rows = await self._pool.fetch(_EXPOSURE)
        found = {(row["provider"], row["currency"]): (row["micros"], row["submissions"]) for row in rows}
        for label in self._shown | set(found):
            micros, submissions = found.get(label, (0, 0))
            metrics.PROVIDER_EXPOSURE.labels(*label).set(micros)
            metrics.PROVIDER_UNKNOWN.labels(label[0]).set(submissions)
        self._shown |= set(found)


def _bounds(since: datetime, until: datetime) -> Sequence[Any]:
    return _first_id(since - ID_SLACK), _first_id(until + ID_SLACK), since, until


def _first_id(at: datetime) -> UUID:
    """The least UUIDv7 of a moment."""
    return UUID(int=max(0, int(at.timestamp() * 1_000)) << 80)


def _declared(costs: CostTable | None) -> dict[str, Any] | None:
    if costs is None:
        return None
    versions = [version.model_dump(include={"version", "valid_from", "credit_value"}) for version in costs.versions]
    return {"currency": costs.currency, "versions": versions}
