"""The answer to a repeated request whose first one died before it answered: made of what became of that."""

from dataclasses import replace
from typing import NoReturn

from starlette.responses import Response

from atelier_gateway.generations.admission import Admission
from atelier_gateway.generations.admission_request import Declined
from atelier_gateway.generations.decline_problems import declined_problem
from atelier_gateway.generations.recovery import has_never_begun
from atelier_gateway.generations.surface_responses import SurfaceResponses, replay
from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.idempotency.keys import IdempotencyClaim, RebuildResponse, StoredResponse
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.store import Generation
from atelier_gateway.web.problems import Problem
from atelier_messaging.database import Pool

SEND_AGAIN = "The first request with this key came to nothing; send it again."
AGAIN = {"Retry-After": "1"}


class ResponseRebuilder:
    """Rebuilds the answer, and stores it for the next repetition."""

    def __init__(self, pool: Pool, admission: Admission) -> None:
        self._pool = pool
        self._admission = admission

    async def rebuild(
        self, lost: RebuildResponse, claim: IdempotencyClaim, shape: SurfaceResponses, *, is_client: bool
    ) -> Response:
        """The answer that the first request would have got. Raises Problem 409 while that is not known, and where it
        came to nothing; then the key is free."""
        generation = await projection_store.find_by_id(self._pool, lost.holder)
        if generation is None:
            raise _unknown()
        state, claim = generation.snapshot.state, replace(claim, holder=lost.holder)
        if state == "rejected":
            response = await self._rebuild_refusal(generation, claim, shape, is_client=is_client)
        elif has_never_begun(generation.snapshot):
            # It was shown as failed before anyone was told that it was accepted.
            await idempotency_store.release(self._pool, claim)
            raise _send_again()
        else:
            if state == "accepted":  # which says no more than that it was written
                await self._require_accepted(lost, claim)
            response = shape.accepted(generation)
        reply = StoredResponse(response.status_code, bytes(response.body))
        await self._admission.store_response(claim, reply, declined=lost.holder if state == "rejected" else None)
        return replay(reply, shape)

    async def _rebuild_refusal(
        self, generation: Generation, claim: IdempotencyClaim, shape: SurfaceResponses, *, is_client: bool
    ) -> Response:
        error = generation.snapshot.error or {}
        if error["code"] == "withdrawn":
            await self._remove(claim)
        amounts = error["required"], error["available"]
        refusal = Declined(error["code"], *amounts, error.get("cap"), error.get("quote"))
        return shape.problem(declined_problem(refusal, is_client=is_client))

    async def _require_accepted(self, lost: RebuildResponse, claim: IdempotencyClaim) -> None:
        settled = await self._admission.settle(lost.holder, is_abandoned=lost.is_abandoned)
        if settled == "withdrawn":
            await self._remove(claim)
        if settled == "unknown":
            raise _unknown()

    async def _remove(self, claim: IdempotencyClaim) -> NoReturn:
        """Frees the key of what came to nothing, and removes that. Raises Problem 409."""
        await idempotency_store.release(self._pool, claim)
        await self._admission.store_response(None, StoredResponse(503, b""), declined=claim.holder)
        raise _send_again()


def _send_again() -> Problem:
    return Problem("request_in_progress", SEND_AGAIN, headers=AGAIN)


def _unknown() -> Problem:
    return Problem("request_in_progress", "What became of the first request is not known yet.", headers=AGAIN)
