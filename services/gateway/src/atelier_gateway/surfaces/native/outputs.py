"""Fetches outputs through the gateway, and acknowledges that they arrived."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from atelier_contracts.value_objects import N_MAX
from atelier_gateway.container import Container
from atelier_gateway.generations.output_transfer import OutputTransfers
from atelier_gateway.idempotency.keys import StoredResponse
from atelier_gateway.idempotency.responses import claim_of, respond_once
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.snapshot import TERMINAL
from atelier_gateway.projection.store import Generation
from atelier_gateway.surfaces.native import openapi
from atelier_gateway.surfaces.native.generations import PREFIX, load_owned
from atelier_gateway.surfaces.native.responses import generation_view
from atelier_gateway.web.json_bodies import RequestBody, body_schema, json_response, parse_body
from atelier_gateway.web.openapi_responses import KEY, WORKSPACE, answers
from atelier_gateway.web.problems import not_found

ACKNOWLEDGE = f"POST {PREFIX}/generations/{{id}}/delivery"
CAPTURED_S_MAX = 5.0
"""How long the answer to an acknowledgement waits for the charge."""


class DeliveryAcknowledgement(RequestBody):
    """``POST /v1/generations/{id}/delivery``."""

    outputs: Annotated[list[Annotated[int, Field(ge=0, lt=N_MAX)]], Field(min_length=1, max_length=N_MAX)] | None = None
    """Which outputs arrived, from 0; all of them where it is left out."""


FETCHED = answers({200: ("The bytes of the output.", None)}, "not_found", "unavailable")
FETCHED[200]["content"] = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
ACKNOWLEDGED = answers(
    {
        200: ("It has ended; its credits say how.", openapi.Generation),
        202: ("It is written down; other outputs, or the charge, are still to come.", openapi.Generation),
    },
    *("invalid_request", "invalid_idempotency_key", "not_found", "conflict"),
    *("request_in_progress", "idempotency_key_reused"),
)


def router(container: Container) -> APIRouter:
    """The routes of outputs and of their delivery."""
    routes = APIRouter(prefix=f"{PREFIX}/generations/{{id}}", tags=["Generations"])
    transfers = OutputTransfers(container.objects, container.deliverer)
    takes = body_schema(DeliveryAcknowledgement, required=False) | {"parameters": [KEY, WORKSPACE]}

    @routes.get("/outputs/{number}", responses=FETCHED, openapi_extra={"parameters": [WORKSPACE]})
    async def get_output(request: Request, id: str, number: str) -> Response:
        """Get the bytes of an output, from 0. Charged on delivery, it is delivered when all its bytes are sent."""
        generation = await load_owned(container, request, id)
        return await transfers.respond(generation, number)

    @routes.post("/delivery", responses=ACKNOWLEDGED, openapi_extra=takes)
    async def acknowledge_delivery(request: Request, id: str) -> Response:
        """Acknowledge that outputs arrived, of a generation that is charged on delivery. They are charged."""
        said = await parse_body(request, DeliveryAcknowledgement) if await request.body() else DeliveryAcknowledgement()
        generation = await load_owned(container, request, id)
        claim = claim_of(
            request, generation.owner.kind, generation.owner.id, ACKNOWLEDGE, str(generation.id), said.model_dump_json()
        )
        return await respond_once(container.idempotent_runner, claim, lambda: _acknowledge(container, generation, said))

    return routes


async def _acknowledge(container: Container, generation: Generation, said: DeliveryAcknowledgement) -> StoredResponse:
    """200 with its end, 202 while other outputs or the charge are awaited."""
    await container.deliverer.acknowledge(generation, said.outputs)
    now = await projection_store.find_for_owner(container.pool, generation.id, generation.owner)
    handover = now.snapshot.handover if now else None
    if now and now.snapshot.rank < TERMINAL and handover and len(handover.delivered) == handover.made:
        await container.waiter.wait_until_ended(generation.id, CAPTURED_S_MAX)
        now = await projection_store.find_for_owner(container.pool, generation.id, generation.owner)
    if now is None:
        raise not_found("generation")
    shown = json_response(generation_view(now, container.objects, container.settings.public_root))
    return StoredResponse(200 if now.snapshot.rank == TERMINAL else 202, bytes(shown.body))
