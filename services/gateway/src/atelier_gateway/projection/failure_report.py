"""SQL of what failed within a period, grouped by cause. Reads the small index of failures, and a bounded part of it."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from atelier_gateway.projection.operator_lists import first_id_at
from atelier_messaging.database import Pool

SCAN_MAX = 5_000
"""Failures that one report looks at, the newest."""
CAUSES_MAX = 100
EXAMPLES = 3

# Ids are ordered by time: a range of them is a range of time, read off the index of failures. Words are compared by
# their bytes: by the rules of a language, sorting them takes most of the time.
_CAUSES = f"""
WITH failed AS MATERIALIZED (
    SELECT id, state COLLATE "C" AS state, (error ->> 'code') COLLATE "C" AS code, kind COLLATE "C" AS kind,
           COALESCE(maker, request ->> 'provider') COLLATE "C" AS provider, error ->> 'message' AS message,
           created_at, owner_id
    FROM generations WHERE id >= $1 AND id < $2 AND state IN ('failed', 'expired') ORDER BY id DESC LIMIT {SCAN_MAX}
)
SELECT state, code, kind, provider, count(*) AS number, count(DISTINCT owner_id) AS owners,
       min(created_at) AS first_at, max(created_at) AS last_at,
       (array_agg(id ORDER BY id DESC))[1:{EXAMPLES}] AS newest,
       (array_agg(message ORDER BY id DESC))[1] AS message, (SELECT count(*) FROM failed) AS scanned
FROM failed GROUP BY 1, 2, 3, 4 ORDER BY number DESC, last_at DESC LIMIT {CAUSES_MAX}
"""  # noqa: S608 - constants only


@dataclass(frozen=True, slots=True)
class FailureCause:
    """Generations that failed alike. ``message`` is the newest one's; ``newest``: a few of them, the newest first."""

    state: str
    code: str | None
    kind: str
    provider: str | None
    number: int
    owners: int
    first_at: datetime
    last_at: datetime
    newest: list[UUID]
    message: str | None


@dataclass(frozen=True, slots=True)
class FailureReport:
    """The causes, the most frequent first, and how many failures were looked at: ``SCAN_MAX`` at most."""

    causes: list[FailureCause]
    scanned: int


async def report_failures(pool: Pool, since: datetime, until: datetime) -> FailureReport:
    """What failed or ran out of time among the generations accepted in this period."""
    bounds = [first_id_at(int(at.timestamp() * 1_000)) for at in (since, until)]
    rows = await pool.fetch(_CAUSES, *bounds)
    causes = [FailureCause(**{name: row[name] for name in FailureCause.__slots__}) for row in rows]
    return FailureReport(causes, rows[0]["scanned"] if rows else 0)
