"""Dispute outputs of a generation, and read its disputes."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.disputes import store
from atelier_gateway.disputes.resolver import Complaint
from atelier_gateway.disputes.settlement import dispute_view
from atelier_gateway.idempotency.keys import StoredResponse
from atelier_gateway.idempotency.responses import claim_of, respond_once
from atelier_gateway.projection.store import Generation
from atelier_gateway.rate_limits.request_limits import RequestLimits, with_rate_limits
from atelier_gateway.surfaces.native.dispute_openapi import DISPUTED, DISPUTES, NewDispute
from atelier_gateway.surfaces.native.generations import PREFIX, load_owned
from atelier_gateway.surfaces.native.request_rules import owner_rule
from atelier_gateway.web.json_bodies import body_schema, json_response, parse_body
from atelier_gateway.web.openapi_responses import KEY, WORKSPACE
from atelier_gateway.web.problems import Problem, field_problem

CREATE = f"POST {PREFIX}/generations/{{id}}/disputes"


def router(container: Container) -> APIRouter:
    """The routes under one generation."""
    routes = APIRouter(prefix=f"{PREFIX}/generations/{{id}}/disputes", tags=["Disputes"])
    per_owner = owner_rule(container.settings.native_requests_per_minute)
    takes = body_schema(NewDispute) | {"parameters": [KEY, WORKSPACE]}

    @routes.post("", status_code=201, responses=DISPUTED, openapi_extra=takes)
    async def create_dispute(request: Request, id: str) -> Response:
        """Create a dispute of outputs of a generation. They are examined, and declared rules decide at once."""
        generation = await load_owned(container, request, id)
        body = await parse_body(request, NewDispute)
        if container.settings.disputes == "off":
            raise Problem("endpoint_off", "This installation decides no disputes; ask its operator.")
        complaint = _complaint(generation, body)
        owner = generation.owner
        claim = claim_of(request, owner.kind, owner.id, CREATE, str(generation.id), body.model_dump_json())

        async def respond(gate: RequestLimits) -> Response:
            await gate.take(per_owner, f"{owner.kind}:{owner.id}")
            return await respond_once(
                container.idempotent_runner, claim, lambda: _open(container, generation, complaint)
            )

        return await with_rate_limits(container.rate_limiter, respond)

    @routes.get("", responses=DISPUTES)
    async def list_disputes(request: Request, id: str) -> Response:
        """List the disputes of a generation, with their evidence, the oldest first."""
        generation = await load_owned(container, request, id)
        found = await store.list_for_generation(container.pool, generation.id, generation.owner)
        return json_response({"data": [dispute_view(dispute) for dispute in found]})

    return routes


def _complaint(generation: Generation, body: NewDispute) -> Complaint:
    """What is disputed; without named outputs all of them. Raises Problem 400 for one that there is not."""
    count = len(generation.snapshot.outputs)
    outputs = tuple(range(count)) if body.outputs is None else tuple(sorted(set(body.outputs)))
    if count and outputs and outputs[-1] >= count:
        raise field_problem("outputs", f"this generation has {count} outputs, counted from 0")
    return Complaint(body.reason, body.text, outputs)


async def _open(container: Container, generation: Generation, complaint: Complaint) -> StoredResponse:
    """201 for a new dispute, 200 for the one that is on record already."""
    dispute, is_new = await container.disputes.open(generation, complaint)
    response = json_response(dispute_view(dispute), 201 if is_new else 200)
    return StoredResponse(response.status_code, bytes(response.body))
