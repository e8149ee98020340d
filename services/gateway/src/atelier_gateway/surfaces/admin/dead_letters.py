"""Routes for operators: messages that could not be handled, and what becomes of them."""

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_contracts.routes import ROUTES
from atelier_gateway.container import Container
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.peers.dead_letters import DeadLetterOffice
from atelier_gateway.surfaces.admin import dead_letter_openapi as openapi
from atelier_gateway.surfaces.admin.access import operators_routes, record
from atelier_gateway.surfaces.admin.dead_letter_openapi import DeadLetterDiscard, DeadLetterRedrive
from atelier_gateway.web.json_bodies import body_schema, json_response, parse_body
from atelier_gateway.web.problems import not_found

SHOWN = ("frame", "message_id", "name", "subject", "reason", "body", "sent_at", "dead_at")


def router(container: Container) -> APIRouter:
    """Routes under ``/v1/admin/dead-letters``, for operators."""
    routes = operators_routes(container, "/dead-letters")
    office = DeadLetterOffice(container.bus, container.peers)
    _add_reads(routes, office)
    _add_acts(routes, container, office)
    return routes


def _add_reads(routes: APIRouter, office: DeadLetterOffice) -> None:
    @routes.get("", responses=openapi.QUEUES)
    async def list_dead_letter_queues() -> Response:
        """List all queues with their dead letters, and the messages that wait to be sent."""
        known = await office.describe()
        queues = [
            {
                "queue": queue["queue"],
                "service": each["service"],
                "waiting": queue["waiting"],
                "consumers": queue["consumers"],
                "messages": queue["dead"],
                "reason": each["reason"],
            }
            for each in known
            for queue in each["queues"]
        ]
        nothing = {"pending": None, "oldest_s": None}
        outboxes = [{"service": each["service"]} | (each["outbox"] or nothing) for each in known]
        return json_response({"data": queues, "outboxes": outboxes})

    @routes.get("/{queue}", responses=openapi.LETTERS)
    async def list_dead_letters(queue: str) -> Response:
        """List the dead letters of a queue, oldest first, 200 at most. They stay there."""
        try:
            letters = await office.read(_known(queue))
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        return json_response({"data": [{name: letter[name] for name in SHOWN} for letter in letters]})


def _add_acts(routes: APIRouter, container: Container, office: DeadLetterOffice) -> None:
    async def note(request: Request, act: str, queue: str, reason: str, frames: Sequence[str] | None) -> None:
        details: dict[str, Any] = {"queue": queue, "reason": reason, "frames": list(frames) if frames else "all"}
        async with container.bus.unit.once() as tx:
            await record(tx, request, act, "queue", None, **details)

    @routes.post("/{queue}/redrive", responses=openapi.MOVED, openapi_extra=body_schema(DeadLetterRedrive))
    async def send_dead_letters(request: Request, queue: str) -> Response:
        """Send dead letters back into their queue, once their cause is mended. Each is handled once, as before."""
        body = await parse_body(request, DeadLetterRedrive)
        await note(request, "dead_letters.redrive", _known(queue), body.reason, body.frames)
        try:
            return json_response({"frames": await office.redrive(queue, body.frames)})
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error

    @routes.post("/{queue}/discard", responses=openapi.MOVED, openapi_extra=body_schema(DeadLetterDiscard))
    async def delete_dead_letters(request: Request, queue: str) -> Response:
        """Delete dead letters for good. The note and their names stay in the audit log."""
        body = await parse_body(request, DeadLetterDiscard)
        await note(request, "dead_letters.discard", _known(queue), body.reason, body.frames)
        try:
            return json_response({"frames": await office.discard(queue, body.frames)})
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error


def _known(queue: str) -> str:
    """Raises Problem 404."""
    if queue not in ROUTES:
        raise not_found("queue")
    return queue
