"""The book of what leaves for remote providers: written before it leaves, so that whoever comes after us asks first.

While the database is away nothing leaves; the caller's deadline ends the wait.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from uuid_utils.compat import uuid7

from atelier_messaging import is_outage
from atelier_messaging.database import Pool
from atelier_render import store
from atelier_render.jobs import Attempt, Job, Submission
from atelier_render.provider_calls.retry_policy import another_may, told
from atelier_render.providers.protocol import Outcome

OUTAGE_PAUSE_S = 0.5
logger = logging.getLogger(__name__)
T = TypeVar("T")


class LeaseLost(Exception):
    """The job is somebody else's by now: nothing more may be sent for it."""


class Submissions:
    """Kept for one worker, the holder of the leases."""

    def __init__(self, pool: Pool, *, owner: str) -> None:
        self._pool = pool
        self._owner = owner

    async def left_open(self, job: Job, key: Callable[[str], str]) -> Submission | None:
        """What an earlier attempt sent and nobody knows the end of. ``key`` tells a provider's."""
        found = await _through_outages(lambda: store.open_submission(self._pool, job.generation_id))
        return Submission(found[0], found[1], key(found[1])) if found else None

    async def begin(self, attempt: Attempt, provider: str, key: str) -> None:
        """Before a request leaves. Raises LeaseLost."""
        submission = Submission(uuid7(), provider, key)
        if not await _through_outages(lambda: store.begin_submission(self._pool, self._owner, attempt.job, submission)):
            raise LeaseLost
        attempt.submission = submission

    async def reconciling(self, submission: Submission) -> None:
        """Its answer was lost."""
        submission.is_reconciling = True
        await _through_outages(lambda: store.mark_reconciling(self._pool, submission))

    async def concluded(self, submission: Submission, outcome: Outcome) -> None:
        """It is known what became of it. What ends the job ends in the job's own commit: until then whoever takes over
        needs to ask for the pictures."""
        submission.outcome, submission.reason = told(outcome)
        if another_may(outcome):
            await _through_outages(lambda: store.end_submission(self._pool, submission))

    async def skipped(self, job: Job, provider: str, key: str, reason: str) -> None:
        """A provider was passed over without being asked."""
        await _through_outages(lambda: store.note_skipped(self._pool, job, provider, key, reason))


async def _through_outages(act: Callable[[], Awaitable[T]]) -> T:
    while True:
        try:
            return await act()
        except Exception as error:
            if not is_outage(error):
                raise
            logger.warning("the book of submissions is not usable: %r", error)
            await asyncio.sleep(OUTAGE_PAUSE_S)
