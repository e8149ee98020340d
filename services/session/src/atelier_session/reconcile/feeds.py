"""Reads the records of all services page by page, in the order of generation ids, and joins them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

import httpx
from pydantic import AnyHttpUrl, SecretStr, TypeAdapter

from atelier_messaging import Transient
from atelier_messaging.database import Connection, Pool
from atelier_session.reconcile.records import (
    HOLDS,
    JOBS,
    PROJECTIONS,
    HoldRecord,
    JobRecord,
    Page,
    ProjectionRecord,
    Records,
    SagaRecord,
)

ANSWER_S_MAX = 60.0
"""A page of render's feed may read many objects."""
Objects = Literal["none", "sizes", "bytes"]
# Admissions go after a month, sagas stay: an id is known by either.
_SAGAS = """
SELECT generation_id, COALESCE(a.verdict, 'admitted') AS verdict,
       COALESCE(s.updated_at, a.created_at) AS changed_at, s.state,
       greatest(s.deadline_at, (s.delivery ->> 'deliver_by')::timestamptz) AS deadline_at,
       s.delivery IS NOT NULL AS is_charged_on_delivery,
       (s.settlement ->> 'captured')::int AS captured, COALESCE((s.result ->> 'delivered')::int, 0) AS delivered,
       COALESCE((s.result ->> 'reused')::bool, false) AS reused,
       COALESCE(jsonb_array_length(s.result -> 'outputs'), 0) AS outputs
FROM (
    (SELECT generation_id FROM admissions WHERE generation_id > $1 ORDER BY 1 LIMIT $2)
    UNION (SELECT generation_id FROM sagas WHERE generation_id > $1 ORDER BY 1 LIMIT $2)
    ORDER BY 1 LIMIT $2
) ids
LEFT JOIN admissions a USING (generation_id) LEFT JOIN sagas s USING (generation_id) ORDER BY generation_id
"""


@dataclass(frozen=True, slots=True)
class Listing:
    """``checked`` artefacts compared with a listing of the object store, up to the key ``bound``, which is None at the
    end; ``wrong``: the generations of those that are not there as recorded."""

    bound: str | None
    checked: int
    wrong: list[UUID]


LISTING = TypeAdapter(Listing)
AnyRecord = SagaRecord | HoldRecord | JobRecord | ProjectionRecord


class FeedUnavailable(Transient):
    """A service did not answer with its records; the text names it."""


class Feeds:
    """The records of billing, render and the gateway, over their internal APIs."""

    def __init__(
        self, billing_url: AnyHttpUrl, render_url: AnyHttpUrl, operations_url: AnyHttpUrl, token: SecretStr
    ) -> None:
        self._billing, self._render, self._gateway = (
            str(url).rstrip("/") for url in (billing_url, render_url, operations_url)
        )
        self._http = httpx.AsyncClient(
            headers={"Authorization": f"Bearer {token.get_secret_value()}"}, timeout=ANSWER_S_MAX, trust_env=False
        )
        self.jobs_kept: timedelta | None = None
        """How long render keeps ended jobs, as of the last page; None: for good."""

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def read_page(self, database: Connection | Pool, after: UUID, *, rows: int, objects: Objects) -> Page:
        """The records of the generations past ``after``, ``rows`` of each service at most. With a pool, no table is
        locked while the other services are asked. Raises FeedUnavailable."""
        query: dict[str, str | int] = {"after": str(after), "limit": rows}
        # Alone: a feed that fails while the connection is in use would leave it to the caller in the midst of a query.
        sagas = await read_sagas(database, after, rows=rows)
        holds, jobs, projections = await asyncio.gather(
            self._get(self._billing, "/internal/reconcile/holds", query),
            self._get(self._render, "/internal/reconcile/jobs", {**query, "objects": objects}),
            self._get(self._gateway, "/internal/reconcile/projections", query),
        )
        kept = jobs.get("jobs_keep_days")
        self.jobs_kept = timedelta(days=kept) if kept else None
        return join(
            after,
            rows,
            sagas,
            HOLDS.validate_python(holds["holds"]),
            JOBS.validate_python(jobs["jobs"]),
            PROJECTIONS.validate_python(projections["projections"]),
        )

    async def read_listing(self, after: str, *, rows: int) -> Listing:
        """What render finds of ``rows`` artefacts past the key ``after``. Raises FeedUnavailable."""
        query: dict[str, str | int] = {"after": after, "limit": rows}
        return LISTING.validate_python(await self._get(self._render, "/internal/reconcile/objects", query))

    async def read_violations(self) -> list[str]:
        """What ``ledger verify`` finds wrong in billing's books. Raises FeedUnavailable."""
        found: list[str] = (await self._get(self._billing, "/internal/ledger/verify", {}))["violations"]
        return found

    async def _get(self, root: str, path: str, query: dict[str, str | int]) -> dict[str, Any]:
        try:
            answer = await self._http.get(root + path, params=query)
            answer.raise_for_status()
            body: dict[str, Any] = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            raise FeedUnavailable(f"reading {path} failed: {error!r}") from error
        return body


async def read_sagas(database: Connection | Pool, after: UUID, *, rows: int) -> list[SagaRecord]:
    """The session's own records of the generations past ``after``, in the order of their ids."""
    return [SagaRecord(**dict(row)) for row in await database.fetch(_SAGAS, after, rows)]


def join(
    after: UUID,
    rows: int,
    sagas: Sequence[SagaRecord],
    holds: Sequence[HoldRecord],
    jobs: Sequence[JobRecord],
    projections: Sequence[ProjectionRecord] = (),
) -> Page:
    """One page of all feeds: up to the id that each of them has reached."""
    feeds: list[Sequence[AnyRecord]] = [sagas, holds, jobs, projections]
    full = [feed[-1].generation_id for feed in feeds if len(feed) >= rows]
    page = Page(after, min(full, default=None))
    by_saga = {record.generation_id: record for record in sagas}
    by_hold = {record.generation_id: record for record in holds}
    by_job = {record.generation_id: record for record in jobs}
    by_projection = {record.generation_id: record for record in projections}
    for id_ in sorted(by_saga.keys() | by_hold.keys() | by_job.keys() | by_projection.keys()):
        if page.bound is None or id_ <= page.bound:
            records = by_saga.get(id_), by_hold.get(id_), by_job.get(id_), by_projection.get(id_)
            page.records[id_] = Records(*records)
    return page
