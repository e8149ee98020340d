"""The session's internal HTTP API: a saga and its log, replayed states, and the withdrawal of a request."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field, SecretStr

from atelier_contracts import CancelRender, RefundCredit
from atelier_messaging import UnitOfWork, is_outage
from atelier_session import store
from atelier_session.holds import Holds
from atelier_session.replay import replay_states
from atelier_telemetry.operations import NOT_DONE, require_token

_SAGA = """
SELECT generation_id AS id, channel, owner_kind, owner_id, state, credits, created_at, updated_at, deadline_at, timer_at
FROM sagas WHERE generation_id = $1
"""
_LOG = """
SELECT at, state_from, heard AS message, message_id, outcome, state_to, sent
FROM saga_log WHERE generation_id = $1 ORDER BY id
"""
_REQUEST = "SELECT request FROM sagas WHERE generation_id = $1"

# Open sagas are those with a moment to look at: a small partial index, and what is late comes first in it.
_OPEN = """
SELECT state, count(*) AS number, count(*) FILTER (WHERE resends > 0) AS resent, max(resends) AS resends,
       extract(epoch FROM now() - min(updated_at))::float8 AS oldest_s,
       (array_agg(generation_id ORDER BY updated_at))[1] AS oldest
FROM (SELECT * FROM sagas WHERE look_at IS NOT NULL ORDER BY look_at LIMIT $1) open GROUP BY state
"""
OPEN_MAX = 20_000
IDS_MAX = 500


class StatesRequest(BaseModel):
    """Generations of which the caller has received no event for a long time."""

    ids: list[UUID] = Field(max_length=IDS_MAX)


def internal_router(unit: UnitOfWork, token: SecretStr, holds: Holds) -> APIRouter:
    """Routes under ``/internal``, for holders of the service token."""
    router = APIRouter(prefix="/internal", dependencies=require_token(token), include_in_schema=False)

    @router.get("/sagas/open")
    async def open_sagas() -> dict[str, Any]:
        """The open sagas by state: how many, how many had to repeat their command, and the longest in it."""
        return {"states": [dict(row) for row in await unit.pool.fetch(_OPEN, OPEN_MAX)]}

    @router.get("/generations/{id}")
    async def saga(id: UUID) -> dict[str, Any]:
        row = await unit.pool.fetchrow(_SAGA, id)
        if row is None:
            raise HTTPException(404, "the session has no generation with this id")
        return {**dict(row), "log": [dict(entry) for entry in await unit.pool.fetch(_LOG, id)]}

    @router.get("/generations/{id}/request")
    async def request(id: UUID) -> dict[str, Any]:
        """The GenerationRequested as it came; of a deleted generation only what its price depends on."""
        row = await unit.pool.fetchrow(_REQUEST, id)
        if row is None:
            raise HTTPException(404, "the session has no generation with this id")
        return dict(row["request"])

    @router.post("/generations/standing")
    async def states(request: StatesRequest) -> dict[str, Any]:
        """The state of each with the events that lead a reader to it; unknown generations are left out."""
        known = await store.find(unit.pool, request.ids)
        return {"generations": await replay_states(known, holds)}

    @router.post("/generations/{id}/withdraw")
    async def withdraw(id: UUID, refund: bool = False) -> dict[str, str]:
        """Ends a request of which the gateway knows no outcome, or returns the state that it has reached. With
        ``refund`` it was running before our rows were lost: its render is stopped and its hold is refunded.

        Synchronous on purpose: it is called when the bus does not answer (see docs/decisions.md). A 503 says whether it
        is certain that nothing was done.
        """
        return {"state": await _withdraw(unit, id, refund=refund)}

    return router


async def _withdraw(unit: UnitOfWork, id_: UUID, *, refund: bool) -> str:
    """Raises HTTPException 503 where it is certain that nothing was done, else the outage."""
    may_commit = False
    try:
        async with unit.once() as tx:
            state = await store.withdraw(tx.connection, id_)
            if refund and state == "withdrawn":
                tx.emit(CancelRender(generation_id=id_))
                tx.emit(RefundCredit(generation_id=id_))
            may_commit = True
    except Exception as error:
        if may_commit or not is_outage(error):
            raise
        raise HTTPException(503, f"nothing was withdrawn: {type(error).__name__}", NOT_DONE) from error
    return state
