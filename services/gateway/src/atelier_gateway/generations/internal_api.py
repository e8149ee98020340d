"""What was delivered of generations whose delivery window is over, for the session, which charges or refunds by it. On
the operations listener, for holders of the service token."""

from typing import Any
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, Field, SecretStr

from atelier_gateway.generations.delivery import OutputDeliverer
from atelier_messaging import UnitOfWork
from atelier_telemetry.operations import require_token

IDS_MAX = 500


class HandoversToClose(BaseModel):
    """Generations whose delivery window is over."""

    ids: list[UUID] = Field(max_length=IDS_MAX)


def handovers_router(unit: UnitOfWork, deliverer: OutputDeliverer, token: SecretStr) -> APIRouter:
    """The route under ``/internal/handovers``."""
    router = APIRouter(prefix="/internal/handovers", dependencies=require_token(token), include_in_schema=False)

    @router.post("/close")
    async def close(handovers: HandoversToClose) -> dict[str, Any]:
        """Delivers nothing more of these, and answers what was delivered of each. Those of which an output is being
        sent at this moment are left out: ask again."""
        async with unit.once() as tx:
            closed = await deliverer.close_all(tx, handovers.ids)
        return {
            "closed": [
                {"id": str(id_), "delivered": [each.model_dump(mode="json") for each in delivered]}
                for id_, delivered in closed.items()
            ]
        }

    return router
