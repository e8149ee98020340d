"""How often a caller may do something: sliding windows, shared between replicas, shown in headers.

A limit on accepted requests is counted where they are accepted: ``hourly_quota.py``.

Where the windows are kept is decided once, in ``open_windows``: in Redis when ``ATELIER_REDIS_URL`` names one (through
the ``limits`` library), else in the gateway's own Postgres. Never in the memory of one process: a second replica would
double every limit, and a restart would forget ten requests an hour. A limit is a courtesy, not what guards the money:
while its store is unavailable, requests pass and a warning is logged.
"""

import logging
import math
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Protocol

from atelier_gateway.web.problems import Problem
from atelier_messaging import is_outage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RateLimitRule:
    """At most ``limit`` within any ``window_s`` seconds. The name is shown in the headers."""

    name: str
    limit: int
    window_s: int


@dataclass(frozen=True, slots=True)
class WindowCount:
    """A window after a request: whether one more fitted, how many are in it, when the oldest leaves."""

    allowed: bool
    used: int
    reset_s: float


class WindowBackend(Protocol):
    """Where the windows are kept."""

    async def take(self, key: str, limit: int, window_s: int) -> WindowCount:
        """Adds one, atomically, unless the window is full."""
        ...


@dataclass(frozen=True, slots=True)
class RateLimitDecision:
    """Whether it is allowed, and what the headers say. ``counted`` is False where nothing is counted."""

    rule: RateLimitRule
    is_allowed: bool
    remaining: int
    reset_s: int
    is_counted: bool = True

    @property
    def limit(self) -> int:
        """How often it may be done within the window."""
        return self.rule.limit

    @property
    def retry_after_s(self) -> int:
        """Seconds until it is worth trying again; 0 when it is allowed."""
        return 0 if self.is_allowed else max(1, self.reset_s)


class RateLimiter:
    """Counts and decides. With ``enabled`` false (``RATE_LIMIT_ENABLED``) everything is allowed, without headers."""

    def __init__(self, windows: WindowBackend, *, enabled: bool = True) -> None:
        self._windows = windows
        self._enabled = enabled

    async def take(self, rule: RateLimitRule, subject: str, *, always: bool = False) -> RateLimitDecision:
        """Counts this request, unless it is refused here: a client that waits is not made to wait longer.

        ``always`` is for what no setting may switch off.
        """
        if not (self._enabled or always):
            return _allow_uncounted(rule)
        return await _decide(rule, self._windows.take(_key(rule, subject), rule.limit, rule.window_s))


def rate_limit_headers(*verdicts: RateLimitDecision) -> dict[str, str]:
    """``RateLimit`` and ``RateLimit-Policy`` (draft-ietf-httpapi-ratelimit-headers), ``Retry-After`` when refused."""
    told = [verdict for verdict in verdicts if verdict.is_counted]
    if not told:
        return {}
    fields = {
        "RateLimit-Policy": ", ".join(f'"{v.rule.name}";q={v.limit};w={v.rule.window_s}' for v in told),
        "RateLimit": ", ".join(f'"{v.rule.name}";r={v.remaining};t={v.reset_s}' for v in told),
    }
    if wait_s := max(verdict.retry_after_s for verdict in told):
        fields["Retry-After"] = str(wait_s)
    return fields


def rate_limited_problem(*verdicts: RateLimitDecision) -> Problem:
    """The 429 of the verdict that refused; its headers show all of them."""
    refused = next(verdict for verdict in verdicts if not verdict.is_allowed)
    detail = f"At most {refused.limit} in {refused.rule.window_s} seconds; try again in {refused.retry_after_s} s."
    details: Mapping[str, object] = {"retry_after_s": refused.retry_after_s}
    return Problem("rate_limited", detail, details=details, headers=rate_limit_headers(*verdicts))


def _key(rule: RateLimitRule, subject: str) -> str:
    return f"{rule.name}:{rule.window_s}:{subject}"


async def _decide(rule: RateLimitRule, asking: Awaitable[WindowCount]) -> RateLimitDecision:
    try:
        count = await asking
    except Exception as error:
        if not is_outage(error):
            raise
        logger.warning("count for rate limit %s failed, the request passes uncounted: %r", rule.name, error)
        return _allow_uncounted(rule)
    return RateLimitDecision(rule, count.allowed, max(0, rule.limit - count.used), max(0, math.ceil(count.reset_s)))


def _allow_uncounted(rule: RateLimitRule) -> RateLimitDecision:
    return RateLimitDecision(rule, True, rule.limit, 0, is_counted=False)
