"""Billing's internal HTTP API of statements: lines that are sent as they are read."""

from uuid import UUID

import asyncpg
from fastapi import APIRouter, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, SecretStr

from atelier_billing.statements import StatementWriter
from atelier_billing.usage import Period
from atelier_contracts import Owner
from atelier_contracts.value_objects import OwnerKind
from atelier_telemetry.operations import NOTHING_THERE, require_token

JSON_LINES = "application/jsonl"


def statement_router(writer: StatementWriter, token: SecretStr) -> APIRouter:
    """Routes under ``/internal``, for holders of the service token."""
    router = APIRouter(prefix="/internal", dependencies=require_token(token), include_in_schema=False)

    @router.get("/accounts/{kind}/{id}/statement")
    async def statement(kind: OwnerKind, id: UUID, since: AwareDatetime, until: AwareDatetime) -> StreamingResponse:
        """The account's statement of a period, or of the part of it that has passed."""
        try:
            opened = await writer.open(Owner(kind=kind, id=id), Period(since, until))
        except asyncpg.QueryCanceledError:
            raise HTTPException(503, "the balances of the period take too long to add up") from None
        if opened is None:
            raise HTTPException(404, "the period has not begun", NOTHING_THERE)
        return StreamingResponse(writer.write(opened), media_type=JSON_LINES)

    return router
