"""Routes for operators: return a charge, take back a mistaken grant. Each is posted once, and kept with its reason."""

from typing import Any
from uuid import UUID, uuid5

from fastapi import APIRouter, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_contracts import Owner, ReturnCredit, TakeBackCredit
from atelier_contracts.routes import reply_key
from atelier_gateway.container import Container
from atelier_gateway.idempotency.keys import IDEMPOTENCY_KEY_HEADER, StoredResponse, validate_key
from atelier_gateway.idempotency.responses import claim_of, respond_once
from atelier_gateway.identity import users
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.peers.credit_corrections import REFUSALS, Correction, correct
from atelier_gateway.surfaces.admin.access import PREFIX, operators_routes, record
from atelier_gateway.surfaces.admin.correction_openapi import CORRECTED
from atelier_gateway.surfaces.admin.requests import NewCreditReturn, NewCreditTakeBack
from atelier_gateway.web.json_bodies import body_schema, json_response, parse_body
from atelier_gateway.web.problems import Problem, not_found
from atelier_messaging import Transaction

ADMIN = UUID(int=0)
"""The operator as the owner of an Idempotency-Key."""
CORRECTION_NAMES = UUID("d3f0a5c2-6c44-4d62-8f6b-0b1d5d0c8e77")
"""Namespace of correction ids: the same Idempotency-Key names the same correction, which billing posts once."""
DETAILS = {"correction_id", "generation_id", "grant_id", "credits", "reason"}
"""The fields of the command that the audit row holds."""


def router(container: Container) -> APIRouter:
    """Routes under ``/v1/admin/credits`` that correct the books."""
    routes = operators_routes(container, "/credits")

    @routes.post("/returns", status_code=201, responses=CORRECTED, openapi_extra=body_schema(NewCreditReturn))
    async def create_credit_return(request: Request) -> Response:
        """Create a return of what was charged for a generation, in full or in part.

        Without `credits` all that is still charged. 202: billing has not answered yet; the return will be posted.
        """
        body = await parse_body(request, NewCreditReturn)
        await _require_charge(container, body.generation_id)
        command = ReturnCredit(
            correction_id=_correction_id(request),
            generation_id=body.generation_id,
            credits=body.credits,
            reason=body.reason,
            reply_to=reply_key(container.instance_id),
        )
        return await _respond(container, request, command, body.model_dump_json())

    @routes.post("/take-backs", status_code=201, responses=CORRECTED, openapi_extra=body_schema(NewCreditTakeBack))
    async def create_credit_take_back(request: Request) -> Response:
        """Remove credits that were granted by mistake, as many of them as are available.

        Without `credits` all that is available, with `grant_id` of that grant alone. The answer says how many it took.
        202: billing has not answered yet; they will be taken.
        """
        body = await parse_body(request, NewCreditTakeBack)
        if not await users.exists(container.pool, body.owner.kind, body.owner.id):
            raise not_found(body.owner.kind)
        command = TakeBackCredit(
            correction_id=_correction_id(request),
            owner=Owner(kind=body.owner.kind, id=body.owner.id),
            grant_id=body.grant_id,
            credits=body.credits,
            reason=body.reason,
            reply_to=reply_key(container.instance_id),
        )
        return await _respond(container, request, command, body.model_dump_json())

    return routes


def _correction_id(request: Request) -> UUID:
    key = validate_key(request.headers.get(IDEMPOTENCY_KEY_HEADER))
    return uuid5(CORRECTION_NAMES, key) if key else uuid7()


async def _require_charge(container: Container, generation_id: UUID) -> None:
    """Raises Problem 404 where billing has no hold for the generation, 409 where it was not charged."""
    try:
        hold = await container.peers.get_hold(generation_id)
    except PeerUnavailable as error:
        raise unavailable_problem(error) from error
    if hold is None:
        raise not_found("generation")
    if not hold["captured"]:
        raise Problem("conflict", REFUSALS["not_charged"])


async def _respond(container: Container, request: Request, command: Correction, body: str) -> Response:
    route = f"POST {PREFIX}/credits/{'returns' if isinstance(command, ReturnCredit) else 'take-backs'}"
    claim = claim_of(request, "admin", ADMIN, route, body)
    return await respond_once(container.idempotent_runner, claim, lambda: _correct(container, request, command))


async def _correct(container: Container, request: Request, command: Correction) -> StoredResponse:
    async def note(tx: Transaction) -> None:
        details = command.model_dump(mode="json", include=DETAILS)
        if isinstance(command, ReturnCredit):
            await record(tx, request, "credits.return", "generation", command.generation_id, **details)
        else:
            await record(tx, request, "credits.take_back", command.owner.kind, command.owner.id, **details)

    timeout_s = container.settings.admission_s
    done = await correct(container.bus, container.reply_listener, command, note, timeout_s=timeout_s)
    view: dict[str, Any] = {
        "id": command.correction_id,
        "kind": "return" if isinstance(command, ReturnCredit) else "take_back",
        "owner": done.owner if done else getattr(command, "owner", None),
        "generation_id": getattr(command, "generation_id", None),
        "grant_id": getattr(command, "grant_id", None),
        "credits": done.credits if done else None,
        "available": done.available if done else None,
        "corrected_before": done.corrected_before if done else False,
    }
    view["owner"] = view["owner"].model_dump(mode="json") if view["owner"] else None
    response = json_response(view, 201 if done else 202)
    return StoredResponse(response.status_code, bytes(response.body))
