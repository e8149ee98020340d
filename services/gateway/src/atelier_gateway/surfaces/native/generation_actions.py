"""Cancel a generation, delete it, explain it, and its receipt."""

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.generations.owner_timeline import tell
from atelier_gateway.generations.request_record import request_document
from atelier_gateway.idempotency.keys import (
    StoredResponse,
)
from atelier_gateway.idempotency.responses import claim_of, respond_once
from atelier_gateway.media import input_store
from atelier_gateway.peers import records as peer_records
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.snapshot import TERMINAL
from atelier_gateway.projection.store import Generation
from atelier_gateway.surfaces.native import openapi, receipt_openapi
from atelier_gateway.surfaces.native.generations import PREFIX, load_owned
from atelier_gateway.surfaces.native.responses import generation_view, metadata_of, receipt, status_of
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.openapi_responses import KEY, OF_CLIENT_TOKENS, WORKSPACE, answers
from atelier_gateway.web.problems import not_found
from atelier_gateway.webhooks import delivery_store

CANCEL = f"POST {PREFIX}/generations/{{id}}/cancel"
Record = TypeVar("Record")

CANCELLED = answers(
    {
        200: ("It has ended; its credits say how.", openapi.Generation),
        202: ("It is being stopped.", openapi.Generation),
    },
    *("invalid_idempotency_key", "not_found", "conflict", "request_in_progress", "idempotency_key_reused"),
    *OF_CLIENT_TOKENS,
)
DELETED = answers({204: ("It is deleted, with its artefacts.", None)}, "not_found", "conflict")
STORY = answers({200: ("What happened, step by step.", openapi.GenerationTimeline)}, "not_found")
RECEIPT = answers({200: ("What it cost.", receipt_openapi.Receipt)}, "not_found", *OF_CLIENT_TOKENS)


def router(container: Container) -> APIRouter:
    """The routes under one generation."""
    routes = APIRouter(prefix=f"{PREFIX}/generations/{{id}}", tags=["Generations"])

    @routes.post("/cancel", responses=CANCELLED, openapi_extra={"parameters": [KEY, WORKSPACE]})
    async def cancel_generation(request: Request, id: str) -> Response:
        """Cancel a generation in whatever state it is. The answer has the state of its credits."""
        generation = await load_owned(container, request, id, "create", "read")
        claim = claim_of(request, generation.owner.kind, generation.owner.id, CANCEL, str(generation.id))
        return await respond_once(container.idempotent_runner, claim, lambda: _cancel(container, generation))

    @routes.delete("", status_code=204, responses=DELETED)
    async def delete_generation(request: Request, id: str) -> Response:
        """Delete a generation and its artefacts. Its charge stays in the ledger."""
        await container.deleter.delete(await load_owned(container, request, id))
        return Response(status_code=204)

    @routes.get("/explain", responses=STORY)
    async def explain_generation(request: Request, id: str) -> Response:
        """Explain a generation step by step: what happened, when, and why."""
        generation = await load_owned(container, request, id)
        peers = await peer_records.collect(container.peers, generation.id, with_job=False)
        webhooks = await delivery_store.list_for_generation(container.pool, generation.id)
        story = tell(generation, peers.saga, peers.hold, webhooks)
        known = {"status": status_of(generation.snapshot.state), "metadata": metadata_of(generation)}
        return json_response(story | known | {"is_complete": peers.is_complete})

    @routes.get("/receipt", responses=RECEIPT)
    async def get_receipt(request: Request, id: str) -> Response:
        """Get the receipt of a generation: its itemised charge, and once it has ended the signed receipt."""
        generation = await load_owned(container, request, id, "read")
        made_of = await input_store.list_digests(container.pool, generation.id, generation.owner)
        hold, signed = await asyncio.gather(
            _record_of(container.peers.get_hold(generation.id)),
            _record_of(container.peers.get_signed_receipt(generation.id)),
        )
        proof = {"request": request_document(generation), "signed": signed}
        return json_response(receipt(generation, hold, made_of) | proof)

    return routes


async def _cancel(container: Container, generation: Generation) -> StoredResponse:
    """200 with its end, 202 while it is still being cancelled."""
    await container.canceller.cancel(generation)
    now = await projection_store.find_for_owner(container.pool, generation.id, generation.owner)
    if now is None:
        raise not_found("generation")
    shown = json_response(generation_view(now, container.objects, container.settings.public_root))
    return StoredResponse(200 if now.snapshot.rank == TERMINAL else 202, bytes(shown.body))


async def _record_of(answering: Awaitable[Record]) -> Record:
    try:
        return await answering
    except PeerUnavailable as error:
        raise unavailable_problem(error) from error
