"""Doing a deed once per ``Idempotency-Key``, for the deeds that are not generations (those: ``admission.py``)."""

from collections.abc import Awaitable, Callable

from atelier_gateway.idempotency import store as claims
from atelier_gateway.idempotency.keys import Claim, Rebuild, Reply, judge
from atelier_gateway.web.problems import Problem
from atelier_messaging import UnitOfWork

Act = Callable[[], Awaitable[Reply]]


class KeyedActs:
    """Runs acts whose replies are kept."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def once(self, claim: Claim | None, act: Act) -> tuple[Reply, bool]:
        """(the reply, whether it is an earlier one). An act that raises gives its key back.

        Where the first one died on the way, the act is run again: it must bear that.
        """
        if claim is None:
            return await act(), False
        async with self._work.once(dispatch=False) as work:
            mine = await claims.claim(work.connection, [claim])
        if not mine:
            stored = await claims.find(self._work.pool, claim)
            if stored is None:
                raise Problem("request_in_progress", "The first request with this key came to nothing; send it again.")
            verdict = judge(stored, claim.fingerprint)
            if isinstance(verdict, Reply):
                return verdict, True
            await self._take_over(claim, verdict)
        return await self._kept(claim, act), False

    async def _take_over(self, claim: Claim, lost: Rebuild) -> None:
        if not await claims.take_over(self._work.pool, claim, dead=lost.holder):
            raise Problem("request_in_progress", "Another request with this key is just being answered.")

    async def _kept(self, claim: Claim, act: Act) -> Reply:
        try:
            reply = await act()
        except Exception:
            await claims.release(self._work.pool, claim)
            raise
        async with self._work.once(dispatch=False) as work:
            await claims.settle(work.connection, [(claim, reply)], [])
        return reply
