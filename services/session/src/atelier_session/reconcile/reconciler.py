"""Compares all records in runs: pages in the order of generation ids, each in a transaction, continued after a crash.

A full run begins with the artefacts' objects, in the order of their keys: a listing of the store takes the place of a
request for each, and only what it makes suspicious is compared as the other scopes do. Records come last: what they
show can be repaired, while it is fresh.
Nothing is locked but the run's own row. A generation whose records changed a moment ago is left for the next run.
"""

import logging
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from atelier_messaging import UnitOfWork
from atelier_messaging.database import Connection
from atelier_session.reconcile import repairs, store
from atelier_session.reconcile.feeds import Feeds, FeedUnavailable, Objects
from atelier_session.reconcile.pace import Pace
from atelier_session.reconcile.records import Page
from atelier_session.reconcile.rules import Clock, Drift, DriftKind, find_drift
from atelier_session.reconcile.store import OpenFinding, Run, Scope
from atelier_telemetry import metrics

ROWS = 1_000
"""Generations in a page."""
ROWS_OF_BYTES = 50
"""Generations in a page whose objects are read whole."""
PAGES_A_ROUND: Mapping[Scope, int] = {"recent": 1_000, "full": 20, "bytes": 2}
"""How many pages of each run come before the next round, some seconds later: full runs are no burden on anyone, and
recent ones are never late."""
LAST = UUID(int=2**128 - 1)
OBJECTS: Mapping[Scope, Objects] = {"recent": "sizes", "full": "none", "bytes": "bytes"}
UNSEEN: Mapping[Objects, frozenset[str]] = {
    "none": frozenset({DriftKind.ARTEFACT_MISSING, DriftKind.ARTEFACT_ALTERED}),
    "sizes": frozenset({DriftKind.ARTEFACT_ALTERED}),
    "bytes": frozenset(),
}
"""Kinds of findings that stay open, because who reads no more of the objects cannot say that they are right again."""
ABOUT_OBJECTS = UNSEEN["none"]
_ID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Seconds between runs of each scope; 0: none by itself. ``settle_s``: how long a record must be unchanged.
    ``share``: how much of the time recent runs may take, up to 1."""

    recent_every_s: float
    full_every_s: float
    bytes_every_s: float
    recent_s: float
    settle_s: float
    share: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """A page that was compared: how many of its generations are in flight, what the others show, and the findings
    about them that are open or were until now."""

    page: Page
    in_flight: int
    drifts: Sequence[tuple[UUID, Drift]]
    open_before: Sequence[OpenFinding]


class Reconciler:
    """Starts runs when they are due, continues the one that is running, and repairs what is asked of it."""

    def __init__(self, unit: UnitOfWork, feeds: Feeds, schedule: Schedule) -> None:
        self._unit = unit
        self._feeds = feeds
        self._schedule = schedule
        self._pace = Pace(schedule.share)

    async def start(self, scope: Scope) -> Run:
        """Starts a run now, or returns the one that is running; either way it goes on without rests."""
        self._pace.hurry(scope)
        while True:
            run = await store.start_run(self._unit.pool, scope, recent_s=self._schedule.recent_s)
            if run is not None or (run := await store.find_running(self._unit.pool, scope)) is not None:
                return run

    async def start_due(self) -> None:
        """Starts the runs that are due by the schedule."""
        due: dict[Scope, float] = {
            "bytes": self._schedule.bytes_every_s,
            "full": self._schedule.full_every_s,
            "recent": self._schedule.recent_every_s,
        }
        if scheduled := {scope: every_s for scope, every_s in due.items() if every_s}:
            await store.start_runs(self._unit.pool, scheduled, recent_s=self._schedule.recent_s)

    async def work(self) -> None:
        """Starts what is due and continues each running run by a round of pages, as long as all services answer and no
        rest is due. The thorough runs take turns with the recent ones, however long they are."""
        await self.start_due()
        running = await store.list_running(self._unit.pool)
        try:
            for scope, pages in PAGES_A_ROUND.items():
                for _ in range(pages if scope in running else 0):
                    if not (self._pace.may_go_on(scope) and await self._compare_next(scope)):
                        break
        except FeedUnavailable as error:
            logger.warning("reconciliation failed, continued at the next round: %s", error)
        await self.observe()

    async def observe(self) -> None:
        """Sets the gauge of open findings, of every kind."""
        open_by_kind = await store.count_findings(self._unit.pool)
        for kind in DriftKind:
            metrics.RECONCILE_FINDINGS.labels(kind.value).set(open_by_kind.get(kind.value, 0))

    async def repair(self) -> list[str]:
        """Sends the command that repairs each open finding that has one; returns what was sent, a sentence each."""
        return await repairs.repair_all(self._unit)

    async def _compare_next(self, scope: Scope) -> bool:
        """As ``_compare_page``, and notes how long it took."""
        began = time.monotonic()
        has_more = await self._compare_page(scope)
        self._pace.note_page(scope, time.monotonic() - began)
        if not has_more:
            self._pace.note_end(scope)
        return has_more

    async def _compare_page(self, scope: Scope) -> bool:
        """Compares one page of the running run of this scope; whether there are more."""
        async with self._unit.pool.acquire() as connection, connection.transaction():
            if (run := await store.claim_run(connection, scope)) is None:
                return False
            if run.objects_after is not None:
                await self._compare_objects(connection, run, run.objects_after)
                return True
            objects = OBJECTS[run.scope]
            rows = ROWS_OF_BYTES if objects == "bytes" else ROWS
            seen = await self._compare(connection, run.position, rows, objects)
            if objects == "none" and any(_is_to_be_seen(finding, run) for finding in seen.open_before):
                seen = await self._compare(connection, run.position, rows, "sizes")
            found = len(seen.drifts)
            if is_last := seen.page.bound is None:
                found += await self._compare_ledger(connection)
            await store.advance_run(
                connection,
                run,
                seen.page.bound or LAST,
                checked=len(seen.page.records),
                in_flight=seen.in_flight,
                found=found,
                ended=is_last,
            )
            return not is_last

    async def _compare_objects(self, connection: Connection, run: Run, after: str) -> None:
        """Compares one page of artefacts with the listing of the store."""
        listing = await self._feeds.read_listing(after, rows=ROWS)
        found = 0
        for id_ in sorted(set(listing.wrong)):
            seen = await self._compare(connection, UUID(int=id_.int - 1), 1, "sizes")
            found += sum(drift.kind in ABOUT_OBJECTS for _, drift in seen.drifts)
        await store.advance_objects(connection, run, listing.bound, checked=listing.checked)
        await store.advance_run(connection, run, run.position, checked=0, in_flight=0, found=found, ended=False)

    async def _compare(self, connection: Connection, after: UUID, rows: int, objects: Objects) -> Comparison:
        """Compares the page past ``after``, reports what disagrees, and ends findings whose records agree again."""
        # Before the page is read: what changes while it is read is in flight, however long that takes.
        now = await connection.fetchval("SELECT clock_timestamp()")
        # By another connection: this one would lock the sagas against migrations until the other services answered.
        page = await self._feeds.read_page(self._unit.pool, after, rows=rows, objects=objects)
        clock = Clock(now, timedelta(seconds=self._schedule.settle_s), self._feeds.jobs_kept)
        in_flight = {id_ for id_, records in page.records.items() if clock.is_in_flight(records)}
        drifts = [
            (id_, drift)
            for id_, records in page.records.items()
            if id_ not in in_flight
            for drift in find_drift(records, clock)
        ]
        await store.report(connection, drifts)
        seen = {(id_, drift.kind.value) for id_, drift in drifts}
        open_before = await store.open_findings(connection, after=page.after, bound=page.bound or LAST)
        over = [
            finding.id
            for finding in open_before
            if (finding.subject, finding.kind) not in seen
            and finding.subject not in in_flight
            and finding.kind not in UNSEEN[objects]
        ]
        await store.resolve(connection, over)
        return Comparison(page, len(in_flight), drifts, open_before)

    async def _compare_ledger(self, connection: Connection) -> int:
        """The books' own violations as findings, by the first id that a line names; returns how many."""
        found = _by_subject(await self._feeds.read_violations())
        await store.report(connection, list(found.items()))
        open_before = await store.open_findings_of(connection, DriftKind.LEDGER_VIOLATION)
        await store.resolve(connection, [finding.id for finding in open_before if finding.subject not in found])
        return len(found)


def _is_to_be_seen(finding: OpenFinding, run: Run) -> bool:
    """Whether an object was missing that this run has not seen missing: it may be there again."""
    return finding.kind == DriftKind.ARTEFACT_MISSING and finding.last_seen_at < run.started_at


def _by_subject(violations: Sequence[str]) -> dict[UUID, Drift]:
    lines: dict[UUID, list[str]] = {}
    for line in violations:
        named = _ID.search(line)
        lines.setdefault(UUID(named.group()) if named else UUID(int=0), []).append(line)
    return {id_: Drift(DriftKind.LEDGER_VIOLATION, "; ".join(said)) for id_, said in lines.items()}
