"""SQL of an operator's lists of generations, of all owners. Each reads a bounded number of rows, whatever there is.

Filters apply to a window of ``SCAN_MAX`` rows; where the page is not full by its end, the cursor leads on from there.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from atelier_contracts import Owner
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.store import Generation
from atelier_messaging.database import Pool

SCAN_MAX = 5_000
"""Rows that one page looks at."""
OPEN_MAX = 20_000
"""Open rows that are looked at: more than an installation lets in by default."""
RATE_WINDOW_S = 300
RATE_ROWS_MAX = 20_000
RANDOM_BITS = 80
"""Of a time-ordered id; the others are milliseconds since 1970."""

_FILTERS = """($1::text[] IS NULL OR state = ANY($1)) AND ($2::text IS NULL OR kind = $2)
  AND ($3::text IS NULL OR surface = $3)"""
_OF_ALL = "$4::uuid IS NULL OR id < $4"
_OF_OWNER = "owner_kind = $5 AND owner_id = $6 AND ($4::uuid IS NULL OR id < $4)"
_PAGE = """
SELECT * FROM (SELECT {columns} FROM generations WHERE {window} ORDER BY id DESC LIMIT {scan}) seen
WHERE {filters} ORDER BY id DESC LIMIT {limit}
"""
_END = "SELECT id FROM generations WHERE {window} ORDER BY id DESC OFFSET {skipped} LIMIT 1"
# What is open stays in a small partial index; sorted here, so that no plan walks all ids to find the oldest.
_OPEN = f"""
WITH open AS MATERIALIZED (SELECT {projection_store.COLUMNS} FROM generations WHERE rank < 9 LIMIT {OPEN_MAX})
SELECT * FROM open WHERE {_FILTERS} AND ($4::uuid IS NULL OR id > $4)
  AND created_at <= now() - make_interval(secs => $5)
  AND ($6::uuid IS NULL OR owner_id = $6)
ORDER BY id LIMIT $7
"""  # noqa: S608 - constants only
_OPEN_BY_STATE = f"""
SELECT state, count(*) AS number, min(created_at) AS oldest_at, (array_agg(id ORDER BY id))[1] AS oldest
FROM (SELECT id, state, created_at FROM generations WHERE rank < 9 LIMIT {OPEN_MAX}) open GROUP BY state
"""  # noqa: S608 - constants only
_OPEN_BY_OWNER = f"""
SELECT owner_kind, owner_id, count(*) AS number, count(*) FILTER (WHERE rank < 2) AS waiting,
       min(created_at) AS oldest_at
FROM (SELECT owner_kind, owner_id, rank, created_at FROM generations WHERE rank < 9 LIMIT {OPEN_MAX}) open
GROUP BY owner_kind, owner_id ORDER BY number DESC, oldest_at LIMIT $1
"""  # noqa: S608 - constants only
# Ids are ordered by time, so the newest lie together in the index of ids.
_RECENT_BY_STATE = f"""
SELECT state, count(*) AS number FROM (
    SELECT state FROM generations WHERE id >= $1 ORDER BY id DESC LIMIT {RATE_ROWS_MAX}
) newest GROUP BY state
"""  # noqa: S608 - constants only
_BY_TEXT = f"""
SELECT id FROM (SELECT id, trace_id, request FROM generations ORDER BY id DESC LIMIT {SCAN_MAX}) newest
WHERE trace_id = $1 OR EXISTS (SELECT FROM jsonb_each_text(
    CASE jsonb_typeof(request -> 'metadata') WHEN 'object' THEN request -> 'metadata' ELSE '{{}}' END
) m WHERE m.value = $1)
ORDER BY id DESC LIMIT $2
"""  # noqa: S608 - constants only
# What a request made has an id of the moments after it.
_BY_REQUEST = "SELECT id FROM generations WHERE id >= $2 AND id < $3 AND request_id = $1 ORDER BY id LIMIT $4"


@dataclass(frozen=True, slots=True)
class Filters:
    """What a list is narrowed to; None means all."""

    states: Collection[str] | None = None
    kind: str | None = None
    surface: str | None = None
    owner: Owner | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """``cursor``: where the next page begins; None where there is nothing more."""

    generations: list[Generation]
    cursor: UUID | None


@dataclass(frozen=True, slots=True)
class OpenGenerations:
    """How many are in one state, and the oldest of them."""

    state: str
    number: int
    oldest: UUID
    oldest_at: datetime


@dataclass(frozen=True, slots=True)
class BusyOwner:
    """How many of an owner's have not ended, how many of those wait for a worker, and when the oldest came."""

    owner: Owner
    number: int
    waiting: int
    oldest_at: datetime


async def list_newest(pool: Pool, filters: Filters, *, before: UUID | None, limit: int) -> Page:
    """Generations of all owners, or of one, the newest first."""
    owner = (filters.owner.kind, filters.owner.id) if filters.owner else ()
    window = _OF_OWNER if owner else _OF_ALL
    page = _PAGE.format(
        columns=projection_store.COLUMNS, window=window, scan=SCAN_MAX, filters=_FILTERS, limit=f"${5 + len(owner)}"
    )
    states = list(filters.states) if filters.states is not None else None
    rows = await pool.fetch(page, states, filters.kind, filters.surface, before, *owner, limit + 1)
    found = [projection_store.generation_of(row) for row in rows[:limit]]
    if len(rows) > limit:
        return Page(found, found[-1].id)
    where = window.replace("$4", "$1").replace("$5", "$2").replace("$6", "$3")
    end = await pool.fetchval(_END.format(window=where, skipped=SCAN_MAX - 1), before, *owner)
    return Page(found, end)


async def list_open(pool: Pool, filters: Filters, *, after: UUID | None, limit: int, older_than_s: int) -> Page:
    """Generations that have not ended, the oldest first, those accepted at least ``older_than_s`` seconds ago."""
    states = list(filters.states) if filters.states is not None else None
    owner = filters.owner.id if filters.owner else None
    values = (states, filters.kind, filters.surface, after, float(older_than_s), owner, limit + 1)
    rows = await pool.fetch(_OPEN, *values)
    found = [projection_store.generation_of(row) for row in rows[:limit]]
    return Page(found, found[-1].id if len(rows) > limit else None)


async def count_open(pool: Pool) -> list[OpenGenerations]:
    """What has not ended, by state."""
    rows = await pool.fetch(_OPEN_BY_STATE)
    return [OpenGenerations(row["state"], row["number"], row["oldest"], row["oldest_at"]) for row in rows]


async def find_busiest(pool: Pool, limit: int) -> list[BusyOwner]:
    """The owners who have most in flight."""
    rows = await pool.fetch(_OPEN_BY_OWNER, limit)
    return [
        BusyOwner(Owner(kind=row["owner_kind"], id=row["owner_id"]), row["number"], row["waiting"], row["oldest_at"])
        for row in rows
    ]


async def count_recent(pool: Pool, now: datetime) -> dict[str, int]:
    """What was accepted within ``RATE_WINDOW_S`` seconds, by the state that it has now; ``RATE_ROWS_MAX`` at most."""
    first = first_id_at(int((now.timestamp() - RATE_WINDOW_S) * 1_000))
    return {row["state"]: row["number"] for row in await pool.fetch(_RECENT_BY_STATE, first)}


def first_id_at(at_ms: int) -> UUID:
    """The smallest time-ordered id (UUIDv7) of a millisecond since 1970."""
    return UUID(int=max(at_ms, 0) << RANDOM_BITS)


async def find_by_request(pool: Pool, request_id: str, first: UUID, last: UUID, limit: int) -> list[UUID]:
    """Those that this request made; their ids lie from ``first`` up to ``last``."""
    return [row["id"] for row in await pool.fetch(_BY_REQUEST, request_id, first, last, limit)]


async def find_by_text(pool: Pool, text: str, limit: int) -> list[UUID]:
    """Among the newest ``SCAN_MAX``: those of a trace, and those whose client wrote this into the metadata."""
    return [row["id"] for row in await pool.fetch(_BY_TEXT, text, limit)]
