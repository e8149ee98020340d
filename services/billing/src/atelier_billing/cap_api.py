"""Billing's internal HTTP API of caps."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import SecretStr

from atelier_billing import cap_store
from atelier_contracts import Owner
from atelier_contracts.value_objects import OwnerKind
from atelier_messaging.database import Pool
from atelier_telemetry.operations import require_token

CAPS_MAX = 200
Limit = Annotated[int, Query(ge=1, le=CAPS_MAX)]


def cap_router(pool: Pool, token: SecretStr) -> APIRouter:
    """The route of an account's caps, for holders of the service token."""
    router = APIRouter(prefix="/internal", dependencies=require_token(token), include_in_schema=False)

    @router.get("/accounts/{kind}/{id}/caps")
    async def caps(kind: OwnerKind, id: UUID, limit: Limit, after: UUID | None = None) -> dict[str, Any]:
        """In the order of their ids; ``after`` is the last one that was seen."""
        found = await cap_store.list_for_owner(pool, Owner(kind=kind, id=id), after=after, limit=limit)
        return {"caps": [cap.use() for cap in found]}

    return router
