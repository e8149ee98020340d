"""Usage: what postings of a period come to, by day, API key, kind of work, provider and model. Read from the books
themselves, so that it equals them to the credit.

A posting counts on the day it was posted, in UTC: what is returned later counts on that later day.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from atelier_billing.slow_reads import SlowReads
from atelier_contracts import Owner
from atelier_messaging.database import Pool

GROUPS_MAX = 10_000
ID_SLACK = timedelta(days=1)
"""Ids are made by the clock of a process, times by that of the database."""
DIMENSIONS = ("day", "key", "kind", "provider", "model")
"""What sums are grouped by; ``key`` is the id of the API key that created it, null where that is not known."""
AMOUNTS = ("generations", "reserved", "captured", "refunded", "returned")
# Ids are UUIDv7: a range of them is a range of time, read off an index.
_MOVED = """
WITH moved AS (
    SELECT generation_id, (posted_at AT TIME ZONE 'UTC')::date AS day,
           COALESCE(sum(credits) FILTER (WHERE kind = 'reserve'), 0) AS reserved,
           COALESCE(sum(credits) FILTER (WHERE kind = 'capture'), 0) AS captured,
           COALESCE(sum(credits) FILTER (WHERE kind = 'refund'), 0) AS refunded,
           COALESCE(sum(credits) FILTER (WHERE kind = 'return'), 0) AS returned
    FROM postings
    WHERE id >= $1 AND id < $2 AND posted_at >= $3 AND posted_at < $4 AND generation_id IS NOT NULL {owner}
    GROUP BY 1, 2
)
"""
_OWNER = "AND owner_id = $5 AND EXISTS (SELECT FROM accounts WHERE owner_id = $5 AND owner_kind = $6)"
_LIVE = "AND substr(owner_id::text, 15, 1) <> '8'"
"""Without the test accounts, whose ids are UUIDs of version 8."""
_EARLIER = """
    LEFT JOIN LATERAL (SELECT body::jsonb AS body FROM receipts
                       WHERE h.kind IS NULL AND generation_id = m.generation_id ORDER BY number DESC LIMIT 1) r ON true
"""
_LABELS = {
    "day": "m.day",
    "key": "h.key_id",
    "kind": "COALESCE(h.kind, r.body ->> 'kind')",
    "provider": "COALESCE(h.provider, r.body ->> 'provider')",
    "model": "COALESCE(h.model, r.body ->> 'model')",
}
_SUMS = """
    SELECT {labels}, count(*) FILTER (WHERE m.reserved > 0) AS generations,
           COALESCE(sum(m.reserved), 0)::bigint AS reserved, COALESCE(sum(m.captured), 0)::bigint AS captured,
           COALESCE(sum(m.refunded), 0)::bigint AS refunded, COALESCE(sum(m.returned), 0)::bigint AS returned
    FROM moved m LEFT JOIN holds h USING (generation_id) {earlier}
    GROUP BY {groups} ORDER BY {order} LIMIT $GROUPS
"""
_GROUPED = {
    "groups": ", ".join(str(number) for number in range(1, len(DIMENSIONS) + 1)),
    "order": ", ".join(f"{number} NULLS FIRST" for number in range(1, len(DIMENSIONS) + 1)),
}
_CHARGES = """
SELECT generation_id, state, captured - COALESCE((
    SELECT sum(credits) FROM postings p WHERE p.generation_id = h.generation_id AND p.kind = 'return'), 0)::bigint
    AS charged
FROM holds h WHERE generation_id = ANY($1::uuid[])
"""


class TooManyGroups(Exception):
    """The period has more groups than are read at once."""


@dataclass(frozen=True, slots=True)
class Period:
    """From ``since`` to before ``until``."""

    since: datetime
    until: datetime

    def bounds(self) -> tuple[UUID, UUID, datetime, datetime]:
        """The range of ids in which its postings lie, and its own."""
        return _first_id(self.since - ID_SLACK), _first_id(self.until + ID_SLACK), self.since, self.until


class UsageReader:
    """Adds up postings."""

    def __init__(self, pool: Pool) -> None:
        self._reads = SlowReads(pool)

    async def sums(self, period: Period, by: Collection[str], *, owner: Owner | None = None) -> list[dict[str, Any]]:
        """The sums of an owner, or of all live ones, in groups of what ``by`` names of ``DIMENSIONS``; whatever is
        not named is null. Raises TooManyGroups."""
        labels = ", ".join(f"{_LABELS[name] if name in by else 'NULL'} AS {name}" for name in DIMENSIONS)
        earlier = _EARLIER if set(by) & {"kind", "provider", "model"} else ""
        given: list[Any] = [*period.bounds(), *((owner.id, owner.kind) if owner else ())]
        sql = _MOVED.format(owner=_OWNER if owner else _LIVE) + _SUMS.format(labels=labels, earlier=earlier, **_GROUPED)
        rows = await self._reads.fetch(sql.replace("$GROUPS", f"${len(given) + 1}"), *given, GROUPS_MAX + 1)
        if len(rows) > GROUPS_MAX:
            raise TooManyGroups(f"more than {GROUPS_MAX} groups")
        return [dict(row) for row in rows]

    async def charges(self, generation_ids: Sequence[UUID]) -> list[dict[str, Any]]:
        """What is charged for these generations in the end, and the state of their holds."""
        return [dict(row) for row in await self._reads.fetch(_CHARGES, list(generation_ids))]


def _first_id(at: datetime) -> UUID:
    """The least UUIDv7 of a moment."""
    return UUID(int=max(0, int(at.timestamp() * 1_000)) << 80)
