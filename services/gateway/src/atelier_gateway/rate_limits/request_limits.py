"""The request limit of the picture surfaces. Every answer says how much is left."""

from collections.abc import Awaitable, Callable

from starlette.responses import Response

from atelier_gateway.rate_limits.limiter import (
    RateLimitDecision,
    RateLimiter,
    RateLimitRule,
    rate_limit_headers,
    rate_limited_problem,
)
from atelier_gateway.web.problems import Problem


class RequestLimits:
    """One request's way through its limits; remembers what each of them said."""

    def __init__(self, limits: RateLimiter) -> None:
        self._limits = limits
        self._verdicts: dict[str, RateLimitDecision] = {}

    async def take(self, rule: RateLimitRule, counted: str) -> None:
        """Counts the request. Raises Problem 429."""
        verdict = self._verdicts[rule.name] = await self._limits.take(rule, counted)
        if not verdict.is_allowed:
            raise rate_limited_problem(*self._verdicts.values())

    @property
    def headers(self) -> dict[str, str]:
        """For the answer, whatever it is."""
        return rate_limit_headers(*self._verdicts.values())


async def with_rate_limits(limits: RateLimiter, act: Callable[[RequestLimits], Awaitable[Response]]) -> Response:
    """The answer or refusal of ``act`` with headers that say how much is left. Raises Problem."""
    gate = RequestLimits(limits)
    try:
        response = await act(gate)
    except Problem as error:
        error.headers.update(gate.headers)
        raise
    response.headers.update(gate.headers)
    return response
