"""Routes for operators: webhook endpoints and deliveries of all owners."""

from datetime import datetime
from typing import Any, Literal, get_args
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from atelier_contracts import Owner
from atelier_gateway.container import Container
from atelier_gateway.surfaces.admin.access import operators_routes
from atelier_gateway.surfaces.admin.account_records import AccountDelivery, delivery_view
from atelier_gateway.surfaces.admin.openapi import PAGED, made, refusals
from atelier_gateway.surfaces.admin.requests import id_in
from atelier_gateway.surfaces.admin.responses import LIST_DEFAULT, LIST_MAX, list_response
from atelier_gateway.web.json_bodies import id_from_path, json_response
from atelier_gateway.web.openapi_responses import CURSOR, LIMIT, Responses, query
from atelier_gateway.web.pagination import parse_page
from atelier_gateway.web.problems import field_problem, not_found
from atelier_gateway.webhooks import operator_lists
from atelier_gateway.webhooks.operator_lists import OwnedDelivery, OwnedEndpoint
from atelier_gateway.webhooks.receiver_urls import host_of

State = Literal["pending", "delivered", "failed"]


class OperatorEndpoint(BaseModel):
    """An endpoint; of its URL only the host, since the rest may be a secret. No events means all."""

    id: UUID
    owner: Owner
    host: str
    events: list[str]
    disabled_at: datetime | None
    disabled_reason: Literal["owner", "gone", "failing"] | None
    failing_since: datetime | None
    created_at: datetime


class OperatorEndpointPage(BaseModel):
    """Endpoints of all owners, newest first."""

    data: list[OperatorEndpoint]
    next_cursor: UUID | None


class OperatorDelivery(AccountDelivery):
    """A delivery with its owner, and its endpoint where it has one."""

    owner: Owner
    endpoint_id: UUID | None


class OperatorDeliveryPage(BaseModel):
    """Deliveries of all owners, newest first; a page may be short and still have a cursor."""

    data: list[OperatorDelivery]
    next_cursor: UUID | None


ENDPOINTS: Responses = {200: made(OperatorEndpointPage, "Newest first"), **refusals("invalid_request")}
DELIVERIES: Responses = {200: made(OperatorDeliveryPage, "Newest first"), **refusals("invalid_request")}
DELIVERY: Responses = {200: made(OperatorDelivery, "The delivery"), **refusals("not_found")}
FILTERED: dict[str, Any] = {
    "parameters": [
        query("state", {"type": "string", "enum": list(get_args(State))}, "Those in this state alone."),
        query("endpoint_id", {"type": "string", "format": "uuid"}, "Those to this endpoint alone."),
        LIMIT,
        CURSOR,
    ]
}


def router(container: Container) -> APIRouter:
    """Routes under ``/v1/admin/webhooks``, for operators."""
    routes = operators_routes(container, "/webhooks")

    @routes.get("", responses=ENDPOINTS, openapi_extra=PAGED)
    async def list_webhook_endpoints(request: Request) -> Response:
        """List the webhook endpoints of all owners, newest first."""
        return await list_response(
            request,
            lambda before, limit: operator_lists.list_endpoints(container.pool, before=before, limit=limit),
            _endpoint_view,
        )

    @routes.get("/deliveries", responses=DELIVERIES, openapi_extra=FILTERED)
    async def list_all_deliveries(request: Request) -> Response:
        """List the webhook deliveries of all owners, newest first."""
        limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        state, endpoint = request.query_params.get("state"), id_in(request.query_params, "endpoint_id")
        if state is not None and state not in get_args(State):
            raise field_problem("state", f"one of {', '.join(get_args(State))} is required")
        found, cursor = await operator_lists.list_deliveries(
            container.pool, state=state, endpoint=endpoint, before=before, limit=limit
        )
        return json_response({"data": [_delivery_view(each) for each in found], "next_cursor": cursor})

    @routes.get("/deliveries/{id}", responses=DELIVERY)
    async def get_operator_delivery(id: str) -> Response:
        """Get a webhook delivery with its tries."""
        found = await operator_lists.find_deliveries(container.pool, [id_from_path(id, "delivery")])
        if not found:
            raise not_found("delivery")
        return json_response(_delivery_view(found[0]))

    return routes


def _endpoint_view(endpoint: OwnedEndpoint) -> dict[str, Any]:
    view = {name: getattr(endpoint, name) for name in OwnedEndpoint.__slots__ if name != "url"}
    return view | {"host": host_of(endpoint.url), "owner": endpoint.owner.model_dump(mode="json")}


def _delivery_view(found: OwnedDelivery) -> dict[str, Any]:
    owned = {"owner": found.owner.model_dump(mode="json"), "endpoint_id": found.delivery.endpoint_id}
    return delivery_view(found.delivery) | owned
