"""Routes for operators: credit grants, the ledger, and the timeline of any generation."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from fastapi import APIRouter, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_contracts import GrantCredit, Owner
from atelier_contracts.routes import reply_key
from atelier_gateway.container import Container
from atelier_gateway.generations.operator_timeline import operator_timeline
from atelier_gateway.idempotency.keys import (
    IDEMPOTENCY_KEY_HEADER,
    StoredResponse,
    validate_key,
)
from atelier_gateway.idempotency.responses import claim_of, respond_once
from atelier_gateway.identity import operator_acts, users
from atelier_gateway.peers import records as peer_records
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.peers.credit_grants import grant
from atelier_gateway.projection import store as projection_store
from atelier_gateway.surfaces.admin import openapi
from atelier_gateway.surfaces.admin.access import PREFIX, operators_routes, record
from atelier_gateway.surfaces.admin.requests import NewCreditGrant
from atelier_gateway.web.json_bodies import body_schema, id_from_path, json_response, parse_body
from atelier_gateway.web.problems import Problem, field_problem, not_found
from atelier_gateway.webhooks import delivery_store
from atelier_messaging import Transaction

GRANT = f"POST {PREFIX}/credits/grants"
ADMIN = UUID(int=0)
"""The operator as the owner of an Idempotency-Key."""
GRANT_NAMES = UUID("6f8c64c1-6a0e-4f4e-9f0e-2a3f5a5f0c11")
"""Namespace of grant ids: the same Idempotency-Key names the same grant, which billing posts once."""
GRANT_DETAILS = {"grant_id", "credits", "priority", "expires_at", "reason"}
"""The fields of the command that the audit row of a grant holds."""


def router(container: Container) -> APIRouter:
    """Routes under ``/v1/admin`` for credits, the ledger and timelines."""
    routes = operators_routes(container)
    for add in (_add_credits, _add_ledger, _add_timelines):
        add(routes, container)
    return routes


def _add_credits(routes: APIRouter, container: Container) -> None:
    @routes.post("/credits/grants", status_code=201, responses=openapi.GRANT, openapi_extra=body_schema(NewCreditGrant))
    async def create_credit_grant(request: Request) -> Response:
        """Grant credits to a store, a user or a workspace.

        201 has the new balance; 202 has none, because billing has not answered yet: the grant will be posted.
        """
        key = validate_key(request.headers.get(IDEMPOTENCY_KEY_HEADER))
        body = await parse_body(request, NewCreditGrant)
        if not await users.exists(container.pool, body.owner.kind, body.owner.id):
            raise not_found(body.owner.kind)
        grant_id = uuid5(GRANT_NAMES, key) if key else uuid7()
        claim = claim_of(request, "admin", ADMIN, GRANT, body.model_dump_json())
        return await respond_once(
            container.idempotent_runner, claim, lambda: _grant(container, request, body, grant_id)
        )

    @routes.get("/credits/{kind}/{id}", responses=openapi.BALANCE)
    async def get_account_balance(kind: str, id: str) -> Response:
        """Get the balance of an account."""
        owner_id = id_from_path(id, "account")
        if not await users.exists(container.pool, kind, owner_id):
            raise not_found("account")
        owner = Owner.model_validate({"kind": kind, "id": owner_id})
        try:
            return json_response(await container.peers.get_account(owner))
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error


def _add_ledger(routes: APIRouter, container: Container) -> None:
    @routes.get("/ledger/verify", responses=openapi.VERIFIED)
    async def verify_ledger() -> Response:
        """Verify the ledger: every balance, every open hold, every posting since the last checkpoint."""
        try:
            return json_response(await container.peers.verify_ledger())
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error

    @routes.post("/ledger/proofs", status_code=202, responses=openapi.PROOF_ORDERED)
    async def start_ledger_proof(request: Request) -> Response:
        """Start a full proof of the ledger, from its first posting. If one is running, the answer is that one."""
        async with container.bus.unit.once() as tx:
            await record(tx, request, "ledger.prove", "ledger", None)
        try:
            return json_response(await container.peers.start_proof(), 202)
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error

    @routes.get("/ledger/proofs/{id}", responses=openapi.PROOF)
    async def get_ledger_proof(id: str) -> Response:
        """Get the progress and the findings of a full proof."""
        try:
            found = await container.peers.get_proof(id_from_path(id, "proof"))
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        if found is None:
            raise not_found("proof")
        return json_response(found)


def _add_timelines(routes: APIRouter, container: Container) -> None:
    @routes.get("/generations/{id}/explain", responses=openapi.EXPLAINED)
    async def get_operator_timeline(id: str) -> Response:
        """Get the timeline of a generation, from the records of all four services."""
        return json_response(await _load_timeline(container, id_from_path(id, "generation")))


async def _grant(container: Container, request: Request, body: NewCreditGrant, grant_id: UUID) -> StoredResponse:
    if body.expires_at is not None and body.expires_at <= datetime.now(UTC):
        raise field_problem("expires_at", "a moment after now is required")
    command = GrantCredit(
        grant_id=grant_id,
        owner=Owner(kind=body.owner.kind, id=body.owner.id),
        credits=body.credits,
        priority=body.priority,
        expires_at=body.expires_at.astimezone(UTC) if body.expires_at else None,
        reason=body.reason,
        reply_to=reply_key(container.instance_id),
    )

    async def note(tx: Transaction) -> None:
        details = command.model_dump(mode="json", include=GRANT_DETAILS)
        await record(tx, request, operator_acts.GRANT, command.owner.kind, command.owner.id, **details)

    given = await grant(
        container.bus, container.reply_listener, command, note, timeout_s=container.settings.admission_s
    )
    shown = {
        "id": grant_id,
        "owner": {"kind": body.owner.kind, "id": body.owner.id},
        "credits": body.credits,
        "available": given.available if given else None,
        "given_before": given.given_before if given else False,
    }
    response = json_response(shown, 201 if given else 202)
    return StoredResponse(response.status_code, bytes(response.body))


async def _load_timeline(container: Container, id_: UUID) -> dict[str, Any]:
    """The records of the generation from every service that answers, merged, with what is missing and why. Raises
    Problem 404 when no service has any, 503 when none has and one did not answer."""
    generation, peers = await asyncio.gather(
        projection_store.find_by_id(container.pool, id_), peer_records.collect(container.peers, id_)
    )
    if generation is None and peers.saga is None and peers.hold is None and peers.job is None:
        if peers.missing:
            raise Problem(
                "unavailable", f"No service that answers knows this generation; {peers.missing[0]['reason']}."
            )
        raise not_found("generation")
    told = await delivery_store.list_for_generation(container.pool, id_)
    now = datetime.now(UTC)
    return operator_timeline(id_, generation, peers.saga, peers.hold, peers.job, told, missing=peers.missing, now=now)
