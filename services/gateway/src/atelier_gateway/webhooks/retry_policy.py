"""What an answer means, and when it is worth trying again. Pure."""

from collections.abc import Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum

RETRY_AFTER_S_MAX = 86_400.0
"""However long a receiver asks to be left alone."""


class RetryDecision(StrEnum):
    """The state of a delivery after a try."""

    DELIVERED = "delivered"
    RETRY = "retry"
    GONE = "gone"


def classify_response(status: int | None) -> RetryDecision:
    """2xx is delivered, 410 means that the receiver is gone; all else, redirects too, and no answer: again."""
    if status is not None and 200 <= status < 300:
        return RetryDecision.DELIVERED
    return RetryDecision.GONE if status == 410 else RetryDecision.RETRY


def parse_retry_delays(text: str) -> tuple[float, ...]:
    """Of ``ATELIER_WEBHOOK_RETRIES_S``, comma-separated seconds. Raises ValueError."""
    given = tuple(float(part) for part in text.split(","))
    if not all(0 < wait <= 7 * 86_400 for wait in given) or len(given) > 30:
        raise ValueError("at most 30 waits, each more than 0 and at most 604800 seconds")
    return given


def next_wait_s(schedule: Sequence[float], tries: int, *, asked_s: float, jitter: float) -> float | None:
    """Seconds until the try after this many; None when they were enough. ``jitter`` is -1..1, a tenth of the wait:
    receivers that failed together are not retried together."""
    if tries > len(schedule):
        return None
    return max(schedule[tries - 1] * (1 + jitter / 10), min(asked_s, RETRY_AFTER_S_MAX))


def retry_after_s(status: int | None, retry_after: str | None, *, now: datetime) -> float:
    """Seconds that a 429 or 503 asks for; 0 where it does not, or not readably."""
    if status not in (429, 503) or retry_after is None:
        return 0.0
    if retry_after.isascii() and retry_after.isdecimal():
        return float(retry_after[:9])
    try:
        return max(0.0, (parsedate_to_datetime(retry_after) - now).total_seconds())
    except (ValueError, TypeError):  # TypeError: a date without its zone
        return 0.0
