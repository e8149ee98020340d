"""Routes for webhook deliveries, replay, and the owner's signing secret."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_contracts import Owner
from atelier_gateway.container import Container
from atelier_gateway.surfaces.webhooks import openapi, responses
from atelier_gateway.surfaces.webhooks.endpoints import LIST_DEFAULT, LIST_MAX, PREFIX, check_enabled, load_owned
from atelier_gateway.surfaces.webhooks.idempotent_actions import replay_or_run, replay_or_run_limited
from atelier_gateway.web.json_bodies import id_from_path, json_response
from atelier_gateway.web.pagination import parse_page, split_page
from atelier_gateway.web.problems import field_problem, not_found
from atelier_gateway.webhooks import delivery_store, endpoint_store
from atelier_gateway.webhooks.delivery_store import WebhookDelivery
from atelier_gateway.webhooks.signing import SecretIds
from atelier_messaging import Transaction
from atelier_messaging.database import Connection, Pool

WHAT = "delivery"


def router(container: Container) -> APIRouter:
    """The routes of deliveries and of the owner's own secret."""
    routes = APIRouter(prefix=PREFIX, tags=["Webhooks"])
    _add_secret(routes, container)
    _add_deliveries(routes, container)
    _add_replay(routes, container)
    return routes


def _add_secret(routes: APIRouter, container: Container) -> None:
    @routes.get("/secret", responses=openapi.SIGNING, openapi_extra=openapi.OWNER)
    async def get_webhook_signing_secret(request: Request) -> Response:
        """Get the secret that signs the deliveries to the `webhook_url` of single requests."""
        principal = await container.authenticator.authenticate(request.headers)
        async with container.bus.unit.once(dispatch=False) as tx:
            ids = await _ensure_secret(tx.connection, principal.owner)
        return json_response(responses.secret_view(container.signing_secrets.secret_of(ids.current), ids))

    @routes.post("/secret/rotate", responses=openapi.SIGNING_ROTATED, openapi_extra=openapi.KEY_AND_OWNER)
    async def rotate_webhook_signing_secret(request: Request) -> Response:
        """Rotate the signing secret of single requests. The previous one also signs for 24 hours."""
        principal = await container.authenticator.authenticate(request.headers)

        async def act(tx: Transaction) -> tuple[dict[str, Any], int]:
            await _ensure_secret(tx.connection, principal.owner)
            ids = await endpoint_store.rotate_secret(tx.connection, principal.owner, uuid7())
            assert ids is not None, "it was just made sure of"
            return dict(responses.secret_view(str(ids.current), ids)), 200

        return await replay_or_run(container, request, principal, f"POST {PREFIX}/secret/rotate", "", act)


def _add_deliveries(routes: APIRouter, container: Container) -> None:
    filtered = {"parameters": [openapi.STATE, openapi.GENERATION, *openapi.PAGED]}

    @routes.get("/deliveries", responses=openapi.ALL_DELIVERIES, openapi_extra=filtered)
    async def list_webhook_deliveries(request: Request) -> Response:
        """List your webhook deliveries, newest first."""
        principal = await container.authenticator.authenticate(request.headers)
        generation_id = _generation_of(request.query_params)
        return await _page(container, request, principal.owner, generation_id=generation_id)

    @routes.get("/deliveries/{id}", responses=openapi.DELIVERY, openapi_extra=openapi.OWNER)
    async def get_webhook_delivery(request: Request, id: str) -> Response:
        """Get a webhook delivery with its attempts."""
        principal = await container.authenticator.authenticate(request.headers)
        return json_response(await _show(container.pool, principal.owner, id))

    of_one = {"parameters": [openapi.STATE, *openapi.PAGED]}

    @routes.get("/{id}/deliveries", responses=openapi.DELIVERIES, openapi_extra=of_one)
    async def list_deliveries_of_webhook(request: Request, id: str) -> Response:
        """List the deliveries of a webhook, newest first."""
        principal = await container.authenticator.authenticate(request.headers)
        endpoint = await load_owned(container.pool, principal.owner, id)
        return await _page(container, request, principal.owner, endpoint_id=endpoint.id)


def _add_replay(routes: APIRouter, container: Container) -> None:
    path = "/deliveries/{id}/replay"

    @routes.post(path, status_code=202, responses=openapi.REPLAYED, openapi_extra=openapi.KEY_AND_OWNER)
    async def replay_webhook_delivery(request: Request, id: str) -> Response:
        """Replay a webhook delivery. It is sent again under the same id."""
        principal = await container.authenticator.authenticate(request.headers)

        async def act(tx: Transaction) -> tuple[dict[str, Any], int]:
            delivery = await _load_owned(tx.connection, principal.owner, id)
            if delivery.endpoint_id is not None:
                check_enabled(await load_owned(tx.connection, principal.owner, str(delivery.endpoint_id)))
            await delivery_store.replay(tx.connection, principal.owner, delivery.id)
            tx.after_commit(container.webhook_dispatcher.wake)
            return await _show(tx.connection, principal.owner, id), 202

        return await replay_or_run_limited(container, request, principal, f"POST {PREFIX}{path}", id, act)


async def _page(
    container: Container,
    request: Request,
    owner: Owner,
    *,
    endpoint_id: UUID | None = None,
    generation_id: UUID | None = None,
) -> Response:
    limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
    found = await delivery_store.list_page(
        container.pool,
        owner,
        before=before,
        limit=limit + 1,
        endpoint_id=endpoint_id,
        generation_id=generation_id,
        state=_state_of(request.query_params),
    )
    page, cursor = split_page(found, limit)
    return json_response({"data": [responses.delivery_view(item, owner) for item in page], "next_cursor": cursor})


async def _show(connection: Connection | Pool, owner: Owner, id_: str) -> dict[str, Any]:
    return responses.delivery_view(await _load_owned(connection, owner, id_), owner)


async def _load_owned(connection: Connection | Pool, owner: Owner, id_: str) -> WebhookDelivery:
    found = await delivery_store.find(connection, owner, id_from_path(id_, WHAT))
    if found is None:
        raise not_found(WHAT)
    return found


async def _ensure_secret(connection: Connection, owner: Owner) -> SecretIds:
    """The ids of the owner's secrets, created at the first read."""
    await endpoint_store.ensure_secrets(connection, [owner], [uuid7()])
    ids = await endpoint_store.find_secret(connection, owner)
    assert ids is not None, "it was just made sure of"
    return ids


def _state_of(query: Mapping[str, str]) -> str | None:
    state = query.get("state")
    if state is not None and state not in openapi.STATES:
        raise field_problem("state", f"one of {', '.join(openapi.STATES)} is required")
    return state


def _generation_of(query: Mapping[str, str]) -> UUID | None:
    try:
        return UUID(query["generation_id"]) if "generation_id" in query else None
    except ValueError:
        raise field_problem("generation_id", "this is no id of a generation") from None
