"""Endpoints: made, shown, changed, given another secret, tried out, removed."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_contracts import Owner
from atelier_gateway.container import Container
from atelier_gateway.surfaces.webhooks import openapi as docs
from atelier_gateway.surfaces.webhooks import responses as views
from atelier_gateway.surfaces.webhooks.idempotent_actions import once, once_limited
from atelier_gateway.surfaces.webhooks.requests import NewWebhook, WebhookChange
from atelier_gateway.web.json_bodies import body_schema, id_from_path, json_response, parse_body
from atelier_gateway.web.pagination import page_of
from atelier_gateway.web.problems import Problem, not_found
from atelier_gateway.webhooks import delivery_store, endpoint_store
from atelier_gateway.webhooks.delivery_store import NewDelivery
from atelier_gateway.webhooks.endpoint_store import ENDPOINTS_MAX, Endpoint, EndpointChange
from atelier_gateway.webhooks.enqueuer import concurrency_key
from atelier_gateway.webhooks.events import TEST
from atelier_gateway.webhooks.payloads import build_payload
from atelier_messaging import Transaction
from atelier_messaging.database import Connection, Pool
from atelier_telemetry.tracing import current_traceparent

PREFIX = "/v1/webhooks"
LIST_MAX = 100
LIST_DEFAULT = 20
WHAT = "webhook"


def router(container: Container) -> APIRouter:
    """The routes of endpoints."""
    routes = APIRouter(prefix=PREFIX, tags=["Webhooks"])
    _add_all(routes, container)
    _add_one(routes, container)
    _add_acts(routes, container)
    return routes


def _add_all(routes: APIRouter, container: Container) -> None:
    takes_new = body_schema(NewWebhook) | docs.KEY_AND_OWNER

    @routes.post("", status_code=201, responses=docs.CREATED, openapi_extra=takes_new)
    async def create_webhook(request: Request) -> Response:
        """Create a webhook: a URL of yours that receives events. Its secret is in this answer only."""
        principal = await container.authenticator.authenticate(request.headers)
        body = await parse_body(request, NewWebhook)
        container.receiver_policy.check(body.url, "url")

        async def act(work: Transaction) -> tuple[dict[str, Any], int]:
            return await _created(work, principal.owner, body), 201

        return await once(container, request, principal, f"POST {PREFIX}", body.model_dump_json(), act)

    @routes.get("", responses=docs.LISTED, openapi_extra={"parameters": docs.PAGED})
    async def list_webhooks(request: Request) -> Response:
        """List your webhooks, newest first."""
        principal = await container.authenticator.authenticate(request.headers)
        limit, before = page_of(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        found = await endpoint_store.list_page(container.pool, principal.owner, before=before, limit=limit + 1)
        cursor = str(found[limit - 1].id) if len(found) > limit else None
        return json_response({"data": [views.endpoint(one) for one in found[:limit]], "next_cursor": cursor})


def _add_one(routes: APIRouter, container: Container) -> None:
    @routes.get("/{id}", responses=docs.READ, openapi_extra=docs.OWNER)
    async def get_webhook(request: Request, id: str) -> Response:
        """Get a webhook."""
        principal = await container.authenticator.authenticate(request.headers)
        return json_response(views.endpoint(await owned(container.pool, principal.owner, id)))

    @routes.patch("/{id}", responses=docs.CHANGED, openapi_extra=body_schema(WebhookChange) | docs.OWNER)
    async def update_webhook(request: Request, id: str) -> Response:
        """Update a webhook: its URL, its events, or whether it is enabled."""
        principal = await container.authenticator.authenticate(request.headers)
        body = await parse_body(request, WebhookChange)
        if body.url is not None:
            container.receiver_policy.check(body.url, "url")
        to = EndpointChange(body.url, body.description, body.events, body.disabled)
        async with container.bus.unit.once(dispatch=False) as work:
            changed = await endpoint_store.change(work.connection, principal.owner, id_from_path(id, WHAT), to)
        return json_response(views.endpoint(_there(changed)))

    @routes.delete("/{id}", status_code=204, responses=docs.DELETED, openapi_extra=docs.OWNER)
    async def delete_webhook(request: Request, id: str) -> Response:
        """Delete a webhook and its deliveries."""
        principal = await container.authenticator.authenticate(request.headers)
        async with container.bus.unit.once(dispatch=False) as work:
            known = await endpoint_store.delete(work.connection, principal.owner, id_from_path(id, WHAT))
        if not known:
            raise not_found(WHAT)
        return Response(status_code=204)


def _add_acts(routes: APIRouter, container: Container) -> None:
    @routes.post("/{id}/rotate-secret", responses=docs.ROTATED, openapi_extra=docs.KEY_AND_OWNER)
    async def rotate_webhook_secret(request: Request, id: str) -> Response:
        """Rotate the secret of a webhook. The previous one also signs for 24 hours."""
        principal = await container.authenticator.authenticate(request.headers)

        async def act(work: Transaction) -> tuple[dict[str, Any], int]:
            changed = await endpoint_store.rotate(work.connection, principal.owner, id_from_path(id, WHAT), uuid7())
            return _with_secret(_there(changed)), 200

        return await once(container, request, principal, f"POST {PREFIX}/{{id}}/rotate-secret", id, act)

    @routes.post("/{id}/test", status_code=202, responses=docs.TESTED, openapi_extra=docs.KEY_AND_OWNER)
    async def test_webhook(request: Request, id: str) -> Response:
        """Send a test event to a webhook."""
        principal = await container.authenticator.authenticate(request.headers)

        async def act(work: Transaction) -> tuple[dict[str, Any], int]:
            endpoint = await owned(work.connection, principal.owner, id)
            work.after_commit(container.webhook_dispatcher.wake)
            return await _tested(work, principal.owner, endpoint), 202

        return await once_limited(container, request, principal, f"POST {PREFIX}/{{id}}/test", id, act)


async def owned(connection: Connection | Pool, owner: Owner, id_: str) -> Endpoint:
    """The endpoint of a path, if it is the caller's. Raises Problem 404, the same for a foreign one."""
    return _there(await endpoint_store.find(connection, owner, id_from_path(id_, WHAT)))


def check_on(endpoint: Endpoint) -> None:
    """Raises Problem 409 for one that is switched off."""
    if endpoint.disabled_at is not None:
        raise Problem("conflict", "This webhook is disabled; enable it first.")


async def _created(work: Transaction, owner: Owner, body: NewWebhook) -> dict[str, Any]:
    made = await endpoint_store.insert(
        work.connection, owner, uuid7(), body.url, body.description, list(dict.fromkeys(body.events)), uuid7()
    )
    if made is None:
        raise Problem("conflict", f"There are at most {ENDPOINTS_MAX} webhooks; delete one first.")
    return _with_secret(made)


async def _tested(work: Transaction, owner: Owner, endpoint: Endpoint) -> dict[str, Any]:
    check_on(endpoint)
    told = build_payload(TEST, datetime.now(UTC), {"webhook_id": str(endpoint.id)})
    target = concurrency_key(owner, endpoint.id, None)
    new = NewDelivery(uuid7(), owner, endpoint.id, None, target, TEST, None, told, current_traceparent())
    await delivery_store.insert(work.connection, [new])
    made = await delivery_store.find(work.connection, owner, new.id)
    assert made is not None, "it was just written"
    return views.delivery(made)


def _with_secret(endpoint: Endpoint) -> dict[str, Any]:
    """As it is kept: with the id of its secret."""
    return views.endpoint(endpoint) | {"secret": str(endpoint.secret_ids.current)}


def _there(found: Endpoint | None) -> Endpoint:
    if found is None:
        raise not_found(WHAT)
    return found
