"""When a request is repeated, and after how long. Pure: time and chance are arguments."""

from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

REPEATED_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
FINAL_CODES = frozenset(
    {"deadline_passed", "endpoint_off", "provider_failed", "provider_unavailable", "tenant_queue_full", "uploads_full"}
)
"""Problems of those statuses that the same request meets again."""
IN_PROGRESS = "request_in_progress"
"""The first attempt with this Idempotency-Key is still running: its answer comes."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How patient a call is. Every repetition carries the Idempotency-Key of the first attempt."""

    retries_max: int = 4
    """Attempts after the first one."""
    backoff_s: float = 0.5
    """Before the first retry where the service names no time; doubles with each."""
    backoff_max_s: float = 8.0
    retry_after_max_s: float = 60.0
    """A longer ``Retry-After`` is not waited for: the call fails, and its error names it."""

    def pause_s(self, attempt: int, requested_s: float | None, chance: float) -> float | None:
        """Seconds before the retry that follows the ``attempt``-th one (0 is the first); None: give up.

        ``requested_s`` is what ``Retry-After`` asks for: a lower bound. ``chance``, in [0, 1), spreads the retries of
        many clients.
        """
        if attempt >= self.retries_max:
            return None
        backoff_s = min(self.backoff_s * 2.0**attempt, self.backoff_max_s)
        if requested_s is None:
            return backoff_s * (0.5 + chance / 2)
        return requested_s + backoff_s * chance if requested_s <= self.retry_after_max_s else None


def can_repeat(status: int, code: str) -> bool:
    """Whether the same request may have another answer soon."""
    return (status in REPEATED_STATUSES and code not in FINAL_CODES) or code == IN_PROGRESS


def retry_after_s(text: str | None, now: datetime | None = None) -> float | None:
    """The seconds that a ``Retry-After`` asks for, as a number or as a date; None where it is absent or malformed."""
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 9:
        return float(text)
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - (now or datetime.now(UTC))).total_seconds())
