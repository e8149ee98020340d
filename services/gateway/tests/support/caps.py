"""Billing's side of caps, as the stand-in for it plays it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from fastapi import FastAPI
from starlette.responses import JSONResponse

from atelier_contracts import (
    CapSet,
    CapUse,
    GenerationRejected,
    GenerationRequested,
    Message,
    SetCap,
    Spender,
    cap_id_of,
)


def refuse_by_cap(request: GenerationRequested) -> Message:
    """Has credits, and a cap that is used up."""
    spender = next(iter(request.spenders), Spender(kind=request.owner.kind, id=request.owner.id))
    cap = CapUse(
        id=cap_id_of(request.owner, spender, "day"),
        owner=request.owner,
        spender=spender,
        period="day",
        credits=7,
        held=3,
        captured=4,
        since=datetime(2026, 1, 1, tzinfo=UTC),
        renews_at=datetime(2026, 1, 2, tzinfo=UTC),
    )
    return GenerationRejected(
        generation_id=request.generation_id, reason="cap_exceeded", required=1, available=50, cap=cap
    )


def confirm_cap(command: SetCap) -> CapSet:
    """Sets or removes it; 2 credits count towards it."""
    if command.credits is None:
        return CapSet(cap_id=command.cap_id, ordered_at=command.ordered_at)
    set_ = {name: getattr(command, name) for name in ("owner", "spender", "period", "credits")}
    use = CapUse(id=command.cap_id, held=2, **set_)
    return CapSet(cap_id=command.cap_id, cap=use, ordered_at=command.ordered_at)


def refuse_quote(request: GenerationRequested) -> Message:
    """Has not signed the quote."""
    return GenerationRejected(
        generation_id=request.generation_id, reason="quote_refused", required=0, available=0, quote_refusal="expired"
    )


def add_quote_route(app: FastAPI, records: Mapping[str, Any]) -> None:
    """Signs what it is on record for; 503 without such a record."""

    @app.post("/internal/quotes")
    async def create_quote(order: dict[str, Any]) -> JSONResponse:
        found = records.get("quote")
        return JSONResponse(found | {"order": order} if found else {}, 200 if found else 503)


def add_cap_route(app: FastAPI, records: Mapping[str, Any]) -> None:
    """The caps of an account, as on record."""

    @app.get("/internal/accounts/{kind}/{id}/caps")
    async def caps(kind: str, id: UUID, limit: int) -> dict[str, Any]:
        return {"caps": records.get(f"accounts/{kind}/{id}/caps", [])[:limit]}
