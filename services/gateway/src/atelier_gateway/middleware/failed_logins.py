"""Guessing credentials is answered 429 on every surface, once an address has had too many 401s in a minute.

A good credential is always let through: with keys of 256 bits there is nothing to find by guessing, and behind one
address, a proxy's or an office's, there may be many. So only what would be a 401 is counted and refused, and a good
request pays nothing.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atelier_gateway.rate_limits.limiter import RateLimitDecision, RateLimiter, RateLimitRule, rate_limited_problem
from atelier_gateway.web.client_ip import ClientIp, subject
from atelier_gateway.web.problems import Problem

WINDOW_S = 60
REMEMBERED_MAX = 10_000
SURFACELESS = "other"
"""What ``surface_of`` calls health checks, metrics and unknown paths."""


class FailedLogins:
    """Middleware, inside ``RequestGuard``. The rate limiter is looked up on each use: it exists only once started."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        per_minute: int,
        limits_of: Callable[[Scope], RateLimiter],
        client_ip: ClientIp,
        shape_of: Callable[[str], Callable[[Problem], Response]],
        surface_of: Callable[[str], str],
    ) -> None:
        self._app = app
        self._rule = RateLimitRule("failed-logins", per_minute, WINDOW_S)
        self._limits_of = limits_of
        self._client_ip = client_ip
        self._shape_of = shape_of
        self._surface_of = surface_of
        self._refused: OrderedDict[str, tuple[float, RateLimitDecision]] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http" or self._surface_of(scope["path"]) == SURFACELESS:
            return await self._app(scope, receive, send)
        who = subject(self._client_ip(scope))
        replaced = False

        async def counting(message: Message) -> None:
            nonlocal replaced
            if replaced:
                return
            if message["type"] == "http.response.start" and message["status"] == 401:
                verdict = self._find_decision(who) or await self._limits_of(scope).take(self._rule, who, always=True)
                if not verdict.is_allowed:
                    replaced = True
                    self._remember(who, verdict)
                    return await self._refuse(verdict, scope, receive, send)
            await send(message)

        await self._app(scope, receive, counting)

    async def _refuse(self, verdict: RateLimitDecision, scope: Scope, receive: Receive, send: Send) -> None:
        await self._shape_of(scope["path"])(rate_limited_problem(verdict))(scope, receive, send)

    def _find_decision(self, who: str) -> RateLimitDecision | None:
        until, verdict = self._refused.get(who, (0.0, None))
        left_s = until - time.monotonic()
        return replace(verdict, reset_s=math.ceil(left_s)) if verdict and left_s > 0 else None

    def _remember(self, who: str, verdict: RateLimitDecision) -> None:
        self._refused[who] = (time.monotonic() + verdict.retry_after_s, verdict)
        self._refused.move_to_end(who)
        if len(self._refused) > REMEMBERED_MAX:
            self._refused.popitem(last=False)
