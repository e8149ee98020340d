"""Runs an action once per ``Idempotency-Key``, where it creates no generation (those: ``admission.py``)."""

from collections.abc import Awaitable, Callable

from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.idempotency.keys import IdempotencyClaim, RebuildResponse, StoredResponse, resolve
from atelier_gateway.web.problems import Problem
from atelier_messaging import UnitOfWork
from atelier_messaging.writes import WriteConflict

Action = Callable[[], Awaitable[StoredResponse]]


class IdempotentRunner:
    """Runs actions whose responses are stored."""

    def __init__(self, work: UnitOfWork) -> None:
        self._work = work

    async def replay_or_run(self, claim: IdempotencyClaim | None, action: Action) -> tuple[StoredResponse, bool]:
        """(the response, whether it is an earlier one). An action that raises gives its key back.

        Where the first request died on the way, a later one takes the key over and runs the action again: the action
        must bear that, or store its response in its own transaction (``save_responses`` with ``must_hold``).
        """
        if claim is None:
            return await action(), False
        async with self._work.once(dispatch=False) as tx:
            is_first = await idempotency_store.insert_claims(tx.connection, [claim])
        if not is_first:
            stored = await idempotency_store.find(self._work.pool, claim)
            if stored is None:
                raise Problem("request_in_progress", "The first request with this key came to nothing; send it again.")
            resolved = resolve(stored, claim.fingerprint)
            if isinstance(resolved, StoredResponse):
                return resolved, True
            await self._take_over(claim, resolved)
        return await self._run_and_store(claim, action), False

    async def _take_over(self, claim: IdempotencyClaim, lost: RebuildResponse) -> None:
        if not await idempotency_store.take_over(self._work.pool, claim, dead=lost.holder):
            raise _in_progress_problem()

    async def _run_and_store(self, claim: IdempotencyClaim, action: Action) -> StoredResponse:
        try:
            response = await self._run(claim, action)
            async with self._work.once(dispatch=False, late_claim=True) as tx:
                idempotency_store.save_responses(tx, [(claim, response)], must_hold=True)
        except WriteConflict as error:
            raise _in_progress_problem() from error
        return response

    async def _run(self, claim: IdempotencyClaim, action: Action) -> StoredResponse:
        try:
            return await action()
        except Exception:
            await idempotency_store.release(self._work.pool, claim)
            raise


def _in_progress_problem() -> Problem:
    return Problem(
        "request_in_progress", "Another request with this key is just being answered.", headers={"Retry-After": "1"}
    )
