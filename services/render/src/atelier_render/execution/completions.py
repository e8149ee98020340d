"""Ends attempts in groups: rows, artefacts and events of many finished jobs in one commit.

The holder of the lease wins, by compare-and-set; what a loser made is discarded and counted.
"""

import logging
from collections.abc import Collection, Sequence
from uuid import UUID

from atelier_messaging import Batcher, Transaction, UnitOfWork, until_available
from atelier_render import store
from atelier_render.jobs import Attempt, Completion, Failure, JobResult
from atelier_render.outputs.artefact_writer import ArtefactWriter
from atelier_render.provider_calls.submission_log import count_cost
from atelier_render.store import Closing
from atelier_telemetry import attributes, metrics

BATCH_MAX = 100
OUTAGE_PAUSE_S = 0.5
logger = logging.getLogger(__name__)

Finished = tuple[Attempt, JobResult]


class Completions:
    """Commits endings on behalf of one worker, the holder of the leases."""

    def __init__(self, unit: UnitOfWork, artefacts: ArtefactWriter, *, owner: str) -> None:
        self._unit = unit
        self._artefacts = artefacts
        self._owner = owner
        self._batcher: Batcher[Finished, bool] = Batcher(self.commit, batch_max=BATCH_MAX)

    async def settle(self, attempt: Attempt, ending: JobResult) -> bool:
        """Ends one attempt, in company of those that end at the same time, and tidies up after it: whether it won."""
        won = await self._batcher.submit((attempt, ending))
        await self._artefacts.settle(attempt, won=won, made=isinstance(ending, Completion))
        return won

    async def commit(self, finished: Sequence[Finished]) -> Sequence[bool]:
        """One transaction for all; retries while the database is unavailable. Returns which attempts won."""
        what = f"ending {len(finished)} attempts"
        won = await until_available(lambda: self._commit(finished), what=what, pause_s=OUTAGE_PAUSE_S)
        self.record(finished, won)
        return [attempt.job.generation_id in won for attempt, _ in finished]

    async def end(self, tx: Transaction, finished: Sequence[Finished]) -> Collection[UUID]:
        """Ends them in the caller's transaction; returns the generations whose attempt won."""
        won = await store.finish_jobs(tx.connection, self._owner, [ending for _, ending in finished])
        for attempt, ending in finished:
            if attempt.job.generation_id in won:
                tx.emit(ending.event(), cause=attempt.span)
        closings = [
            _submission_closing(*pair)
            for pair in finished
            if _may_be_open(pair[0]) and pair[0].job.generation_id in won
        ]
        if closings:
            await store.close_submissions(tx.connection, closings)
        return won

    def record(self, finished: Sequence[Finished], won: Collection[UUID]) -> None:
        """Records in spans and metrics how they ended, once that is committed."""
        for attempt, ending in finished:
            outcome = ending.state if attempt.job.generation_id in won else "lost"
            attempt.span.set_attribute(attributes.OUTCOME, outcome)
            metrics.child(metrics.RENDERS, ending.provider or "none", outcome).inc()
            if attempt.submission is not None and attempt.job.generation_id in won:
                count_cost(attempt.submission)

    async def drain(self) -> None:
        """Waits for the endings under way."""
        await self._batcher.drain()

    async def _commit(self, finished: Sequence[Finished]) -> Collection[UUID]:
        async with self._unit.once() as tx:
            return await self.end(tx, finished)


def _may_be_open(attempt: Attempt) -> bool:
    """Whether something may have been sent for it, by this attempt or by one that was lost."""
    return attempt.submission is not None or attempt.job.spec.simulate is None


def _submission_closing(attempt: Attempt, ending: JobResult) -> Closing:
    """A known outcome ends the submission; an unknown one is abandoned together with the job."""
    sent, why = attempt.submission, ending.reason if isinstance(ending, Failure) else None
    if sent is None:
        return Closing(attempt.job.generation_id, "abandoned", why)
    if sent.outcome is None:
        return Closing(attempt.job.generation_id, "abandoned", why, store.figures_of(sent))
    return Closing(attempt.job.generation_id, sent.outcome, sent.reason, store.figures_of(sent))
