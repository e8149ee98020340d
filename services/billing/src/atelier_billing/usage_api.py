"""Billing's internal HTTP API of usage: of one owner for its customer, of all for the operator's report of costs."""

from typing import Annotated, Any
from uuid import UUID

import asyncpg
from fastapi import APIRouter, HTTPException, Query
from pydantic import AwareDatetime, BaseModel, Field, SecretStr

from atelier_billing.usage import DIMENSIONS, GROUPS_MAX, Period, TooManyGroups, UsageReader
from atelier_contracts import Owner
from atelier_contracts.value_objects import OwnerKind
from atelier_telemetry.operations import require_token

IDS_MAX = 5_000
By = Annotated[str, Query(pattern=f"^({'|'.join(DIMENSIONS)}|,)*$")]


class ChargedGenerations(BaseModel):
    """Generations whose charges are asked for."""

    ids: Annotated[list[UUID], Field(max_length=IDS_MAX)]


def usage_router(reader: UsageReader, token: SecretStr) -> APIRouter:
    """Routes under ``/internal``, for holders of the service token."""
    router = APIRouter(prefix="/internal", dependencies=require_token(token), include_in_schema=False)

    @router.get("/accounts/{kind}/{id}/usage")
    async def usage(
        kind: OwnerKind, id: UUID, since: AwareDatetime, until: AwareDatetime, by: By = ""
    ) -> dict[str, Any]:
        """The account's usage in a period, in groups of what ``by`` names, separated by commas."""
        return await _sums(reader, Period(since, until), by, Owner(kind=kind, id=id))

    @router.get("/usage")
    async def all_usage(since: AwareDatetime, until: AwareDatetime, by: By = "") -> dict[str, Any]:
        """The usage of all accounts."""
        return await _sums(reader, Period(since, until), by, None)

    @router.post("/charges")
    async def charges(asked: ChargedGenerations) -> dict[str, Any]:
        """What is charged in the end for each of these generations that billing knows."""
        return {"charges": await reader.charges(asked.ids)}

    return router


async def _sums(reader: UsageReader, period: Period, by: str, owner: Owner | None) -> dict[str, Any]:
    try:
        return {"sums": await reader.sums(period, by.split(","), owner=owner)}
    except TooManyGroups:
        raise HTTPException(422, f"the period has more than {GROUPS_MAX} groups") from None
    except asyncpg.QueryCanceledError:
        raise HTTPException(422, "the period takes too long to add up") from None
