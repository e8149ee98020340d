"""What follows which outcome: retry, fail over, or end. Pure; for a reader: docs/providers/outcomes.md."""

from dataclasses import dataclass
from typing import assert_never

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
from atelier_render.providers.toolkit.file_checks import flaw

PROVIDERS_OWN = ("provider_failed", "provider_unavailable", "provider_timeout")
"""Failures that say nothing about the request: another provider may do better."""
LOST = "lost"
"""What an answer that did not come is counted as, before its outcome is asked for."""
OUTCOME_WORDS = ("succeeded", "partial", "refused", "failed", "transient", "rate_limited", "unknown", LOST)
"""What calls are counted by: the words of ``outcome_label``, and ``LOST``."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient render is with providers."""

    tries_max: int = 4
    """Submissions to one provider within one attempt."""
    backoff_s: float = 0.5
    backoff_s_max: float = 8.0
    retry_after_s_max: float = 30.0
    """A provider that wants to be left alone for longer is not waited for."""
    recall_s: float = 0.5
    recall_s_max: float = 5.0
    reconcile_s: float = 10.0

    def pause_s(self, outcome: ProviderOutcome, *, tries: int, remaining_s: float, chance: float) -> float | None:
        """Seconds before the same provider is tried again; None where it is not. At most half of the time that is left
        is spent waiting. ``chance`` in [0, 1) spreads those who failed together."""
        match outcome:
            case Transient():
                pause = min(self.backoff_s_max, self.backoff_s * 2 ** (tries - 1)) * (0.5 + chance / 2)
            case RateLimited(retry_after_s) if retry_after_s <= self.retry_after_s_max:
                pause = retry_after_s + self.backoff_s * chance
            case _:
                return None
        return pause if tries < self.tries_max and pause <= remaining_s / 2 else None


def may_fail_over(outcome: ProviderOutcome) -> bool:
    """Whether another provider may be called: only where it is known that nothing was made, and the request is not to
    blame."""
    if isinstance(outcome, Failed):
        return outcome.code in PROVIDERS_OWN
    return isinstance(outcome, Transient | RateLimited)


def breaker_signal(outcome: ProviderOutcome) -> bool | None:
    """What the circuit breaker counts: True for an answer, False for trouble, None for what shows neither."""
    if isinstance(outcome, RateLimited):
        return None
    return not (isinstance(outcome, Transient | Unknown) or may_fail_over(outcome))


def usable_outcome(outcome: ProviderOutcome, n: int) -> ProviderOutcome:
    """The outcome with what is whole of what was made, and no more than the n requested; with nothing usable it is a
    failure of the provider."""
    if not isinstance(outcome, Succeeded | Partial):
        return outcome
    if outcome.delivered == 0:
        return Failed("provider_failed", "the provider made none of the outputs")
    if not outcome.pictures:
        return outcome
    sound = tuple(picture for picture in outcome.pictures if flaw(picture) is None)[:n]
    if not sound:
        return Failed("provider_failed", f"what the provider made is unusable: {flaw(outcome.pictures[0])}")
    if len(sound) == outcome.delivered:
        return outcome
    return Succeeded(sound, n) if len(sound) == n else Partial(sound, len(sound))


def outcome_label(outcome: ProviderOutcome) -> tuple[str, str | None]:
    """The outcome as it is written down and counted: one word, and the reason if there is one."""
    match outcome:
        case Succeeded():
            return "succeeded", None
        case Partial(delivered=delivered):
            return "partial", f"{delivered} delivered"
        case Refused(reason):
            return "refused", reason
        case Failed(code, reason):
            return "failed", f"{code}: {reason}"
        case Transient(reason):
            return "transient", reason
        case RateLimited(retry_after_s):
            return "rate_limited", f"to be left alone for {retry_after_s:g} s"
        case Unknown():
            return "unknown", "the provider never said what became of it"
        case _:
            assert_never(outcome)
