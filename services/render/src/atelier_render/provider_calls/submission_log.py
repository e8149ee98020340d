"""Log of submissions to remote providers, written before they leave, so that the next attempt recalls them first.

While the database is unavailable nothing leaves; the caller's deadline ends the wait.
"""

import logging
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

from uuid_utils.compat import uuid7

from atelier_messaging import until_available
from atelier_messaging.database import Pool
from atelier_render import store
from atelier_render.cost_table import CostTable
from atelier_render.jobs import Attempt, Job, Submission
from atelier_render.provider_calls.retry_policy import may_fail_over, outcome_label
from atelier_render.providers.protocol import ProviderOutcome
from atelier_render.usage import UsageMeter
from atelier_telemetry import metrics

OUTAGE_PAUSE_S = 0.5
logger = logging.getLogger(__name__)
T = TypeVar("T")


class LeaseLost(Exception):
    """Another process holds the job by now: nothing more may be sent for it."""


class SubmissionLog:
    """Kept for one worker, the holder of the leases."""

    def __init__(self, pool: Pool, *, owner: str, costs: CostTable | None = None) -> None:
        self._pool = pool
        self._owner = owner
        self._costs = costs

    async def find_open(self, job: Job, key: Callable[[str], str]) -> Submission | None:
        """The submission of an earlier attempt whose outcome is unknown. ``key`` gives the key for a provider."""
        found = await _through_outages(lambda: store.open_submission(self._pool, job.generation_id))
        if found is None:
            return None
        submission = Submission(found.id, found.provider, key(found.provider), accepted=found.accepted or {})
        self._add_price(submission, job, found.sent_at)
        return submission

    async def begin(self, attempt: Attempt, provider: str, key: str, meter: UsageMeter) -> None:
        """Before a request leaves; ``meter`` is what its usage will be counted with. Raises LeaseLost."""
        submission = Submission(uuid7(), provider, key, meter=meter)
        self._add_price(submission, attempt.job, datetime.now(UTC))
        if not await _through_outages(lambda: store.begin_submission(self._pool, self._owner, attempt.job, submission)):
            raise LeaseLost
        attempt.submission = submission

    async def record_accepted(self, submission: Submission, part: str, request_id: str) -> None:
        """The provider has taken the request for a part of it: nothing else is done with the id before."""
        submission.accepted[part] = request_id
        await _through_outages(lambda: store.record_accepted(self._pool, submission, part, request_id))

    async def record_reconciling(self, submission: Submission) -> None:
        """Its answer was lost."""
        submission.is_reconciling = True
        await _through_outages(lambda: store.mark_reconciling(self._pool, submission))

    async def record_outcome(self, submission: Submission, outcome: ProviderOutcome) -> None:
        """Its outcome is known. One that ends the job is written in the job's own commit: until then the process that
        takes over must recall the pictures."""
        submission.outcome, submission.reason = outcome_label(outcome)
        if may_fail_over(outcome):
            await _through_outages(lambda: store.end_submission(self._pool, submission))
            count_cost(submission)

    def _add_price(self, submission: Submission, job: Job, at: datetime) -> None:
        submission.tariff = self._costs.tariff(submission.provider, at) if self._costs else None
        if submission.tariff is not None:
            submission.ceiling = submission.tariff.most(job.spec.model, job.spec.n)

    async def record_skip(self, job: Job, provider: str, key: str, reason: str) -> None:
        """A provider was skipped without a call."""
        await _through_outages(lambda: store.note_skipped(self._pool, job, provider, key, reason))


def count_cost(submission: Submission) -> None:
    """Counts what a submission cost, once its outcome is written down."""
    cost = submission.cost
    if cost is not None and cost.cost:
        outcome, model = submission.outcome or "abandoned", submission.meter.model or "none"
        metrics.PROVIDER_COST.labels(submission.provider, model, cost.currency, outcome).inc(cost.cost)


async def _through_outages(act: Callable[[], Awaitable[T]]) -> T:
    return await until_available(act, what="writing the submission log", pause_s=OUTAGE_PAUSE_S)
