"""Routes for operators: subscriptions to public events.

The command line declares the queue and the broker user of a subscription, for which the gateway has no right; here is
what the gateway publishes to it.
"""

import re
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_contracts.public_events import PUBLIC_EVENTS, SUBSCRIPTION_NAME
from atelier_gateway.container import Container
from atelier_gateway.subscriptions import event_log, store
from atelier_gateway.subscriptions.store import Subscription
from atelier_gateway.surfaces.admin import subscription_openapi as openapi
from atelier_gateway.surfaces.admin.access import operators_routes, record
from atelier_gateway.surfaces.admin.subscription_requests import NewSubscription, Start, SubscriptionChange
from atelier_gateway.web.json_bodies import body_schema, json_response, parse_body
from atelier_gateway.web.problems import Problem, field_problem, not_found
from atelier_messaging.database import Connection

WHAT = "subscription"


def router(container: Container) -> APIRouter:
    """``/v1/admin/subscriptions``, which only admins may change."""
    routes = operators_routes(container, "/subscriptions", acts_as="admin")
    _add_reads(routes, container)
    _add_lifecycle(routes, container)
    _add_replay(routes, container)
    return routes


def _add_reads(routes: APIRouter, container: Container) -> None:
    @routes.get("", responses=openapi.SUBSCRIPTIONS)
    async def list_subscriptions() -> Response:
        """List all subscriptions by name, with what waits for each."""
        found = await store.list_all(container.pool)
        return json_response({"data": [await _view(container, subscription) for subscription in found]})

    @routes.get("/{name}", responses=openapi.SUBSCRIPTION)
    async def get_subscription(name: str) -> Response:
        """Get a subscription, with what waits for it."""
        return json_response(await _view(container, _require(await store.find(container.pool, _checked(name)))))


def _add_lifecycle(routes: APIRouter, container: Container) -> None:
    @routes.post("", status_code=201, responses=openapi.CREATED, openapi_extra=body_schema(NewSubscription))
    async def create_subscription(request: Request) -> Response:
        """Create a subscription.

        Its events wait until its queue is declared: the command line does that, and makes its broker user.
        """
        body = await parse_body(request, NewSubscription)
        _require_known(body.events)
        async with container.bus.unit.once() as tx:
            position = await _position_of(tx.connection, body.start)
            created = await store.insert(tx.connection, body.name, sorted(set(body.events)), position)
            if created is None:
                raise Problem("conflict", "There is a subscription of this name.")
            await record(tx, request, "subscription.create", WHAT, None, name=body.name, events=list(created.types))
        container.subscriptions.refresh()
        return json_response(await _view(container, created), 201)

    @routes.patch("/{name}", responses=openapi.CHANGED, openapi_extra=body_schema(SubscriptionChange))
    async def update_subscription(request: Request, name: str) -> Response:
        """Update a subscription: pause or resume it. What happens while it is paused is published when it resumes."""
        body = await parse_body(request, SubscriptionChange)
        async with container.bus.unit.once() as tx:
            changed = _require(await store.set_paused(tx.connection, _checked(name), paused=body.paused))
            act = "subscription.pause" if body.paused else "subscription.resume"
            await record(tx, request, act, WHAT, None, name=name)
        container.subscriptions.refresh()
        return json_response(await _view(container, changed))

    @routes.delete("/{name}", status_code=204, responses=openapi.DELETED)
    async def delete_subscription(request: Request, name: str) -> Response:
        """Delete a subscription; nothing is published to it any more. The command line deletes its queue and user."""
        async with container.bus.unit.once() as tx:
            if not await store.delete(tx.connection, _checked(name)):
                raise not_found(WHAT)
            await record(tx, request, "subscription.delete", WHAT, None, name=name)
        return Response(status_code=204)


def _add_replay(routes: APIRouter, container: Container) -> None:
    @routes.post("/{name}/replay", responses=openapi.REPLAYED, openapi_extra=body_schema(Start))
    async def replay_subscription(request: Request, name: str) -> Response:
        """Replay events to one subscription: all those kept, those since a time, or those after an event.

        Other subscriptions receive nothing of it. What is in the queue stays there; events keep their ids.
        """
        body = await parse_body(request, Start)
        async with container.bus.unit.once() as tx:
            position = await _position_of(tx.connection, body)
            changed = _require(await store.rewind(tx.connection, _checked(name), position))
            await record(tx, request, "subscription.replay", WHAT, None, name=name, after_position=position)
        container.subscriptions.refresh()
        return json_response(await _view(container, changed))


async def _position_of(connection: Connection, start: Start) -> int:
    """The position after which the events are published. Raises Problem 400 where it is not kept."""
    if start.since is not None:
        return await event_log.find_position_before(connection, start.since)
    if start.after is not None:
        found = await event_log.find_position_of(connection, start.after)
        if found is None:
            raise field_problem("after", "no event of this id is kept")
        return found
    return 0 if start.from_beginning else await event_log.get_head(connection)


async def _view(container: Container, subscription: Subscription) -> dict[str, Any]:
    head = await event_log.get_head(container.pool)
    depth = await container.subscriptions.measure(subscription.name)
    return {
        "name": subscription.name,
        "events": list(subscription.types) or list(PUBLIC_EVENTS),
        "paused_at": subscription.paused_at,
        "created_at": subscription.created_at,
        "behind": head - subscription.position,
        "queued": depth.messages if depth else None,
        "consumers": depth.consumers if depth else None,
    }


def _require_known(types: list[str]) -> None:
    for type in types:
        if type not in PUBLIC_EVENTS:
            raise field_problem("events", f"the events are {', '.join(PUBLIC_EVENTS)}")


def _checked(name: str) -> str:
    """A malformed name is an unknown name. Raises Problem 404."""
    if not re.fullmatch(SUBSCRIPTION_NAME, name):
        raise not_found(WHAT)
    return name


def _require(found: Subscription | None) -> Subscription:
    if found is None:
        raise not_found(WHAT)
    return found
