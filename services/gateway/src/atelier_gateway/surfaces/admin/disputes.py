"""Routes for operators: the disputes that customers opened, and the decision of those that rules leave to a person."""

from typing import Any, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from atelier_contracts import Owner
from atelier_contracts.value_objects import CREDITS_MAX
from atelier_gateway.container import Container
from atelier_gateway.disputes import store
from atelier_gateway.disputes.settlement import dispute_view
from atelier_gateway.disputes.store import Dispute, DisputeState
from atelier_gateway.surfaces.admin.access import operator_of, operators_routes, record
from atelier_gateway.surfaces.admin.openapi import BODY, made, refusals
from atelier_gateway.surfaces.admin.responses import LIST_DEFAULT, LIST_MAX
from atelier_gateway.surfaces.native.dispute_openapi import Dispute as CustomerDispute
from atelier_gateway.web.json_bodies import (
    RequestBody,
    SingleLine,
    body_schema,
    id_from_path,
    json_response,
    parse_body,
)
from atelier_gateway.web.openapi_responses import CURSOR, LIMIT, Responses, query
from atelier_gateway.web.pagination import parse_page, split_page
from atelier_gateway.web.problems import field_problem, not_found
from atelier_messaging import Transaction

STATUSES = get_args(DisputeState)


class DisputeDecision(RequestBody):
    """A decision and its reason, which the customer sees. Without ``credits`` a refund is the price of the disputed
    outputs."""

    decision: Literal["refund", "decline"]
    credits: int | None = Field(default=None, ge=1, le=CREDITS_MAX)
    reason: SingleLine


class OperatorDispute(CustomerDispute):
    """A dispute with its owner. ``decided_by`` is ``rules``, the name of an operator, or null."""

    owner: Owner
    decided_by: str | None


class OperatorDisputePage(BaseModel):
    """Disputes, newest first."""

    data: list[OperatorDispute]
    next_cursor: UUID | None


LISTED: Responses = {200: made(OperatorDisputePage, "Newest first"), **refusals("invalid_request")}
FOUND: Responses = {200: made(OperatorDispute, "With its evidence"), **refusals("not_found")}
DECIDED: Responses = {200: made(OperatorDispute, "As it is now"), **refusals(*BODY, "not_found", "conflict")}
BY_STATUS = query("status", {"type": "string", "enum": list(STATUSES)}, "Only disputes with this status.")
PAGED: dict[str, Any] = {"parameters": [BY_STATUS, LIMIT, CURSOR]}


def router(container: Container) -> APIRouter:
    """Routes under ``/v1/admin/disputes``, for operators."""
    routes = operators_routes(container, "/disputes")

    @routes.get("", responses=LISTED, openapi_extra=PAGED)
    async def list_all_disputes(request: Request) -> Response:
        """List disputes, newest first; `status=review` are those that wait for a decision."""
        limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        state = request.query_params.get("status")
        if state is not None and state not in STATUSES:
            raise field_problem("status", f"one of {', '.join(STATUSES)} is required")
        found = await store.list_page(container.pool, state=state, before=before, limit=limit + 1)
        page, cursor = split_page(found, limit)
        return json_response({"data": [_view(dispute) for dispute in page], "next_cursor": cursor})

    @routes.get("/{id}", responses=FOUND)
    async def get_dispute(id: str) -> Response:
        """Get a dispute with its evidence."""
        return json_response(_view(await _load(container, id)))

    @routes.post("/{id}/decision", responses=DECIDED, openapi_extra=body_schema(DisputeDecision))
    async def create_dispute_decision(request: Request, id: str) -> Response:
        """Create the decision of a dispute that waits for an operator: a refund, in full or in part, or none."""
        body = await parse_body(request, DisputeDecision)
        if body.decision == "decline" and body.credits is not None:
            raise field_problem("credits", "only a refund has credits")
        dispute = await _load(container, id)

        async def note(tx: Transaction, credits: int) -> None:
            details: dict[str, Any] = {"decision": body.decision, "credits": credits, "reason": body.reason}
            details |= {"generation_id": str(dispute.generation_id)}
            await record(tx, request, "dispute.decide", "dispute", dispute.id, **details)

        decided = await container.disputes.decide(
            dispute,
            refund=body.decision == "refund",
            credits=body.credits,
            operator=operator_of(request).name,
            note=body.reason,
            record=note,
        )
        return json_response(_view(decided))

    return routes


async def _load(container: Container, id_: str) -> Dispute:
    dispute = await store.find(container.pool, id_from_path(id_, "dispute"))
    if dispute is None:
        raise not_found("dispute")
    return dispute


def _view(dispute: Dispute) -> dict[str, Any]:
    owner = dispute.owner.model_dump(mode="json")
    return dispute_view(dispute) | {"owner": owner, "decided_by": dispute.decided_by}
