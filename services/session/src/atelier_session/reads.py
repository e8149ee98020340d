"""What the session answers its colleagues over internal HTTP: a saga's story, and the end of an unconfirmed request."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field, SecretStr

from atelier_contracts import CancelRender, RefundCredit
from atelier_messaging import UnitOfWork
from atelier_session import store
from atelier_session.holds import Holds
from atelier_session.standing import told_again
from atelier_telemetry.operations import require_token

_SAGA = """
SELECT generation_id AS id, channel, owner_kind, owner_id, state, credits, created_at, updated_at, deadline_at, timer_at
FROM sagas WHERE generation_id = $1
"""
_LOG = """
SELECT at, state_from, heard AS message, message_id, outcome, state_to, sent
FROM saga_log WHERE generation_id = $1 ORDER BY id
"""

IDS_MAX = 500


class Asked(BaseModel):
    """The generations that somebody has not heard of for long."""

    ids: list[UUID] = Field(max_length=IDS_MAX)


def reads_router(unit: UnitOfWork, token: SecretStr, holds: Holds) -> APIRouter:
    """Routes under ``/internal``, for holders of the service token."""
    router = APIRouter(prefix="/internal", dependencies=require_token(token), include_in_schema=False)

    @router.get("/generations/{id}")
    async def story(id: UUID) -> dict[str, Any]:
        row = await unit.pool.fetchrow(_SAGA, id)
        if row is None:
            raise HTTPException(404, "the session knows no such generation")
        return {**dict(row), "log": [dict(entry) for entry in await unit.pool.fetch(_LOG, id)]}

    @router.post("/generations/standing")
    async def standing(asked: Asked) -> dict[str, Any]:
        """Where these stand, each as the events that tell so; those the session does not know are left out."""
        known = await store.find(unit.pool, asked.ids)
        return {"generations": await told_again(known, holds)}

    @router.post("/generations/{id}/withdraw")
    async def withdraw(id: UUID, refund: bool = False) -> dict[str, str]:
        """The gateway could not learn what became of its request: end it, or say how far it got. With ``refund`` it was
        at work before our rows were lost: its render is stopped and its hold goes back.

        Synchronous on purpose: it is asked when the bus does not answer (see docs/decisions.md).
        """
        async with unit.once() as work:
            state = await store.withdraw(work.connection, id)
            if refund and state == "withdrawn":
                work.emit(CancelRender(generation_id=id))
                work.emit(RefundCredit(generation_id=id))
            return {"state": state}

    return router
