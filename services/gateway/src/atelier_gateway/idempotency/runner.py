"""Doing a deed once per ``Idempotency-Key``, for the deeds that are not generations (those: ``admission.py``)."""

from collections.abc import Awaitable, Callable

from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.idempotency.keys import IdempotencyClaim, RebuildResponse, StoredResponse, resolve
from atelier_gateway.web.problems import Problem
from atelier_messaging import UnitOfWork

Action = Callable[[], Awaitable[StoredResponse]]


class IdempotentRunner:
    """Runs acts whose replies are kept."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def replay_or_run(self, claim: IdempotencyClaim | None, act: Action) -> tuple[StoredResponse, bool]:
        """(the reply, whether it is an earlier one). An act that raises gives its key back.

        Where the first one died on the way, the act is run again: it must bear that.
        """
        if claim is None:
            return await act(), False
        async with self._work.once(dispatch=False) as work:
            mine = await idempotency_store.insert_claims(work.connection, [claim])
        if not mine:
            stored = await idempotency_store.find(self._work.pool, claim)
            if stored is None:
                raise Problem("request_in_progress", "The first request with this key came to nothing; send it again.")
            verdict = resolve(stored, claim.fingerprint)
            if isinstance(verdict, StoredResponse):
                return verdict, True
            await self._take_over(claim, verdict)
        return await self._run_and_store(claim, act), False

    async def _take_over(self, claim: IdempotencyClaim, lost: RebuildResponse) -> None:
        if not await idempotency_store.take_over(self._work.pool, claim, dead=lost.holder):
            raise Problem("request_in_progress", "Another request with this key is just being answered.")

    async def _run_and_store(self, claim: IdempotencyClaim, act: Action) -> StoredResponse:
        try:
            reply = await act()
        except Exception:
            await idempotency_store.release(self._work.pool, claim)
            raise
        async with self._work.once(dispatch=False, late_claim=True) as work:
            idempotency_store.save_responses(work, [(claim, reply)])
        return reply
