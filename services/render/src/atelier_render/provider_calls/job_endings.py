"""How a job ends by what providers said of it, or did not say in time."""

from typing import assert_never

from atelier_render.jobs import Attempt, Completion, Failure, Job, JobResult
from atelier_render.providers.protocol import (
    Failed,
    Partial,
    ProviderOutcome,
    RateLimited,
    Refused,
    Succeeded,
    Transient,
    Unknown,
)


def job_result(job: Job, provider: str, outcome: ProviderOutcome) -> JobResult:
    """How a job ends by an outcome that brought no pictures."""
    match outcome:
        case Succeeded(delivered=delivered, model=model) | Partial(delivered=delivered, model=model) if delivered > 0:
            return Completion(job, provider, delivered, model=model)
        case Succeeded() | Partial():
            return Failure(job, provider, "provider_failed", "the provider made none of the outputs")
        case Refused(reason):
            return Failure(job, provider, "refused", reason)
        case Failed(code, reason):
            return Failure(job, provider, code, reason)
        case Transient(reason):
            return Failure(job, provider, "provider_unavailable", reason)
        case RateLimited(retry_after_s):
            return Failure(job, provider, "provider_unavailable", f"the provider is busy for {retry_after_s:g} s")
        case Unknown():
            return Failure(job, provider, "unknown_outcome", "the provider never said what became of the render")
        case _:
            assert_never(outcome)


def deadline_failure(attempt: Attempt, first: str) -> Failure:
    """How a job ends by its deadline; what an unanswered provider may still make is discarded."""
    sent = attempt.submission
    if sent and sent.is_reconciling and sent.outcome is None:
        return Failure(attempt.job, sent.provider, "unknown_outcome", "the deadline passed before it was known")
    provider = sent.provider if sent and sent.outcome is None else first
    return Failure(attempt.job, provider, "provider_timeout", "the deadline passed during the render")
