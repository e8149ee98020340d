"""Routes for webhook endpoints: create, list, read, change, rotate the secret, test, delete."""

from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_contracts import Owner
from atelier_gateway.container import Container
from atelier_gateway.surfaces.webhooks import openapi, responses
from atelier_gateway.surfaces.webhooks.idempotent_actions import replay_or_run, replay_or_run_limited
from atelier_gateway.surfaces.webhooks.requests import NewWebhook, WebhookChange
from atelier_gateway.web.json_bodies import body_schema, id_from_path, json_response, parse_body
from atelier_gateway.web.pagination import parse_page, split_page
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
    takes_new = body_schema(NewWebhook) | openapi.KEY_AND_OWNER

    @routes.post("", status_code=201, responses=openapi.CREATED, openapi_extra=takes_new)
    async def create_webhook(request: Request) -> Response:
        """Create a webhook: a URL of yours that receives events. Its secret is in this answer only."""
        principal = await container.authenticator.authenticate(request.headers)
        body = await parse_body(request, NewWebhook)
        container.receiver_policy.check(body.url, "url")

        async def act(tx: Transaction) -> tuple[dict[str, Any], int]:
            return await _insert_endpoint(tx, principal.owner, body), 201

        return await replay_or_run(container, request, principal, f"POST {PREFIX}", body.model_dump_json(), act)

    @routes.get("", responses=openapi.LISTED, openapi_extra={"parameters": openapi.PAGED})
    async def list_webhooks(request: Request) -> Response:
        """List your webhooks, newest first."""
        principal = await container.authenticator.authenticate(request.headers)
        limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        found = await endpoint_store.list_page(container.pool, principal.owner, before=before, limit=limit + 1)
        page, cursor = split_page(found, limit)
        return json_response(
            {"data": [responses.endpoint_view(item, principal.owner) for item in page], "next_cursor": cursor}
        )


def _add_one(routes: APIRouter, container: Container) -> None:
    @routes.get("/{id}", responses=openapi.READ, openapi_extra=openapi.OWNER)
    async def get_webhook(request: Request, id: str) -> Response:
        """Get a webhook."""
        principal = await container.authenticator.authenticate(request.headers)
        return json_response(
            responses.endpoint_view(await load_owned(container.pool, principal.owner, id), principal.owner)
        )

    @routes.patch("/{id}", responses=openapi.CHANGED, openapi_extra=body_schema(WebhookChange) | openapi.OWNER)
    async def update_webhook(request: Request, id: str) -> Response:
        """Update a webhook: its URL, its events, or whether it is enabled."""
        principal = await container.authenticator.authenticate(request.headers)
        body = await parse_body(request, WebhookChange)
        if body.url is not None:
            container.receiver_policy.check(body.url, "url")
        to = EndpointChange(body.url, body.description, body.events, body.disabled)
        async with container.bus.unit.once(dispatch=False) as tx:
            changed = await endpoint_store.change(tx.connection, principal.owner, id_from_path(id, WHAT), to)
        return json_response(responses.endpoint_view(_require(changed), principal.owner))

    @routes.delete("/{id}", status_code=204, responses=openapi.DELETED, openapi_extra=openapi.OWNER)
    async def delete_webhook(request: Request, id: str) -> Response:
        """Delete a webhook and its deliveries."""
        principal = await container.authenticator.authenticate(request.headers)
        async with container.bus.unit.once(dispatch=False) as tx:
            known = await endpoint_store.delete(tx.connection, principal.owner, id_from_path(id, WHAT))
        if not known:
            raise not_found(WHAT)
        return Response(status_code=204)


def _add_acts(routes: APIRouter, container: Container) -> None:
    @routes.post("/{id}/rotate-secret", responses=openapi.ROTATED, openapi_extra=openapi.KEY_AND_OWNER)
    async def rotate_webhook_secret(request: Request, id: str) -> Response:
        """Rotate the secret of a webhook. The previous one also signs for 24 hours."""
        principal = await container.authenticator.authenticate(request.headers)

        async def act(tx: Transaction) -> tuple[dict[str, Any], int]:
            changed = await endpoint_store.rotate(tx.connection, principal.owner, id_from_path(id, WHAT), uuid7())
            return _with_secret(_require(changed), principal.owner), 200

        return await replay_or_run(container, request, principal, f"POST {PREFIX}/{{id}}/rotate-secret", id, act)

    @routes.post("/{id}/test", status_code=202, responses=openapi.TESTED, openapi_extra=openapi.KEY_AND_OWNER)
    async def test_webhook(request: Request, id: str) -> Response:
        """Send a test event to a webhook."""
        principal = await container.authenticator.authenticate(request.headers)

        async def act(tx: Transaction) -> tuple[dict[str, Any], int]:
            endpoint = await load_owned(tx.connection, principal.owner, id)
            tx.after_commit(container.webhook_dispatcher.wake)
            return await _enqueue_test(tx, principal.owner, endpoint), 202

        return await replay_or_run_limited(container, request, principal, f"POST {PREFIX}/{{id}}/test", id, act)


async def load_owned(connection: Connection | Pool, owner: Owner, id_: str) -> Endpoint:
    """The endpoint of a path, if it is the caller's. Raises Problem 404, equally for another owner's."""
    return _require(await endpoint_store.find(connection, owner, id_from_path(id_, WHAT)))


def check_enabled(endpoint: Endpoint) -> None:
    """Raises Problem 409 for a disabled endpoint."""
    if endpoint.disabled_at is not None:
        raise Problem("conflict", "This webhook is disabled; enable it first.")


async def _insert_endpoint(tx: Transaction, owner: Owner, body: NewWebhook) -> dict[str, Any]:
    made = await endpoint_store.insert(
        tx.connection, owner, uuid7(), body.url, body.description, list(dict.fromkeys(body.events)), uuid7()
    )
    if made is None:
        raise Problem("conflict", f"There are at most {ENDPOINTS_MAX} webhooks; delete one first.")
    return _with_secret(made, owner)


async def _enqueue_test(tx: Transaction, owner: Owner, endpoint: Endpoint) -> dict[str, Any]:
    check_enabled(endpoint)
    told = build_payload(TEST, datetime.now(UTC), {"webhook_id": str(endpoint.id)})
    target = concurrency_key(owner, endpoint.id, None)
    new = NewDelivery(uuid7(), owner, endpoint.id, None, target, TEST, None, told, current_traceparent())
    await delivery_store.insert(tx.connection, [new])
    made = await delivery_store.find(tx.connection, owner, new.id)
    assert made is not None, "it was just written"
    return responses.delivery_view(made, owner)


def _with_secret(endpoint: Endpoint, owner: Owner) -> dict[str, Any]:
    """As it is stored under a key: with the id of its secret."""
    return responses.endpoint_view(endpoint, owner) | {"secret": str(endpoint.secret_ids.current)}


def _require(found: Endpoint | None) -> Endpoint:
    if found is None:
        raise not_found(WHAT)
    return found
