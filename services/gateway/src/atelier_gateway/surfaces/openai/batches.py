"""Routes of OpenAI's batches."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_gateway.batches import file_store, store
from atelier_gateway.batches.records import Batch, Tally
from atelier_gateway.container import Container
from atelier_gateway.generations.client_disconnects import is_retry
from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.idempotency.keys import StoredResponse
from atelier_gateway.idempotency.responses import claim_of, respond_once
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.rate_limits.limiter import RateLimitRule
from atelier_gateway.rate_limits.request_limits import RequestLimits, with_rate_limits
from atelier_gateway.surfaces.openai import batch_openapi as openapi
from atelier_gateway.surfaces.openai.batch_requests import (
    BATCH_ID,
    FILE_ID,
    OpenAIBatchRequest,
    no_such,
    parse_after,
    parse_id,
)
from atelier_gateway.surfaces.openai.errors import error_view
from atelier_gateway.surfaces.openai.files import page_view
from atelier_gateway.surfaces.openai.responses import SURFACE
from atelier_gateway.web.json_bodies import json_response, parse_body
from atelier_gateway.web.pagination import parse_number
from atelier_gateway.web.problems import PROBLEM_TYPES, Problem
from atelier_gateway.web.simulate_header import SIMULATE_HEADER, parse_simulation
from atelier_messaging import Transaction

PREFIX = "/v1/batches"
LIST_MAX, LIST_DEFAULT = 100, 20
WINDOW_S = 86_400
PER_OWNER = RateLimitRule("openai-batches", 60, 60)
RETRIED_WITHIN = timedelta(minutes=10)
"""How old a batch may be that an automatic retry of its create is answered with."""


def router(container: Container) -> APIRouter:
    """The routes of batches."""
    routes = APIRouter(prefix=PREFIX, tags=["Batches (OpenAI's shape)"])
    _add_creation(routes, container)
    _add_reads(routes, container)
    return routes


def _add_creation(routes: APIRouter, container: Container) -> None:
    @routes.post("", responses=openapi.BATCH_MADE, openapi_extra=openapi.BATCHING)
    async def create_batch(request: Request) -> Response:
        """Create a batch of an uploaded file: each line becomes a request of the endpoint."""

        async def create(gate: RequestLimits) -> Response:
            principal = await container.authenticator.authenticate(request.headers)
            await gate.take(PER_OWNER, f"{principal.owner.kind}:{principal.owner.id}")
            return await _create(container, request, principal)

        return await with_rate_limits(container.rate_limiter, create)

    @routes.post("/{id}/cancel", responses=openapi.BATCH_CANCELLED, openapi_extra=openapi.READING)
    async def cancel_batch(request: Request, id: str) -> Response:
        """Cancel a batch: nothing more of it begins, and what is under way is cancelled."""
        batch = await _load(container, request, id)
        if not await store.cancel(container.pool, batch.id) and batch.state not in ("cancelling", "cancelled"):
            raise Problem("conflict", f"Cannot cancel a batch with status '{batch.state}'.")
        container.batches_woken.set()
        return json_response(await _view(container, await _load(container, request, id)))


def _add_reads(routes: APIRouter, container: Container) -> None:
    paged = {"parameters": [openapi.AFTER, openapi.limit(LIST_MAX, LIST_DEFAULT)]}

    @routes.get("", responses=openapi.BATCHES_LISTED, openapi_extra=paged)
    async def list_batches(request: Request) -> Response:
        """List your batches, newest first."""
        principal = await container.authenticator.authenticate(request.headers)
        query = request.query_params
        limit = parse_number(query, "limit", default=LIST_DEFAULT, most=LIST_MAX)
        found = await store.list_page(
            container.pool,
            principal.owner,
            before=parse_after(BATCH_ID, query),
            limit=limit + 1,
            surface=SURFACE,
        )
        tallies = await store.count_rows(container.pool, [batch.id for batch in found])
        views = [batch_view(batch, tallies[batch.id]) for batch in found[:limit]]
        return json_response(page_view(views, has_more=len(found) > limit))

    @routes.get("/{id}", responses=openapi.BATCH_SHOWN, openapi_extra=openapi.READING)
    async def get_batch(request: Request, id: str) -> Response:
        """Get a batch."""
        return json_response(await _view(container, await _load(container, request, id)))


async def _create(container: Container, request: Request, principal: Principal) -> Response:
    body, owner = await parse_body(request, OpenAIBatchRequest), principal.owner
    simulate = request.headers.get(SIMULATE_HEADER)
    parse_simulation(simulate, allowed=container.simulates(owner))
    file_id = parse_id(FILE_ID, body.input_file_id)
    file = await file_store.find(container.pool, owner, file_id) if file_id else None
    if file is None or file.part is not None:
        raise no_such("File")
    claim = claim_of(
        request, owner.kind, owner.id, f"POST {PREFIX}", body.model_dump_json(exclude_none=True), simulate or ""
    )
    batch = _new_batch(principal, body, file.id, simulate)
    if claim is None and is_retry(request) and (first := await _find_first(container, batch)) is not None:
        return json_response(await _view(container, first))

    async def act() -> StoredResponse:
        shown = json_response(batch_view(batch, Tally({})))
        stored = StoredResponse(200, bytes(shown.body))

        def record(tx: Transaction) -> None:
            if claim is not None:
                idempotency_store.save_responses(tx, [(claim, stored)], must_hold=True)

        await container.batch_creator.create(batch, record=record)
        container.batches_woken.set()
        return stored

    return await respond_once(container.idempotent_runner, claim, act)


async def _find_first(container: Container, batch: Batch) -> Batch | None:
    """The batch of an earlier try of the same call, whose answer its client did not get."""
    known = await store.list_page(container.pool, batch.owner, before=None, limit=LIST_MAX, surface=SURFACE)
    same = (batch.input_file_id, batch.endpoint, dict(batch.attributes), batch.simulate)
    for earlier in known:
        is_young = batch.created_at - earlier.created_at < RETRIED_WITHIN
        if is_young and same == (earlier.input_file_id, earlier.endpoint, dict(earlier.attributes), earlier.simulate):
            return earlier
    return None


def _new_batch(principal: Principal, body: OpenAIBatchRequest, file_id: Any, simulate: str | None) -> Batch:
    now = datetime.now(UTC)
    return Batch(
        id=uuid7(),
        owner=principal.owner,
        channel=principal.channel,
        spenders=principal.spenders,
        surface=SURFACE,
        endpoint=body.endpoint,
        input_file_id=file_id,
        attributes=body.metadata or {},
        simulate=simulate,
        window_s=WINDOW_S,
        output_life_s=body.output_expires_after.seconds if body.output_expires_after else None,
        state="validating",
        rows=0,
        quoted=0,
        prices=(),
        errors=None,
        output_file_id=None,
        error_file_id=None,
        created_at=now,
        expires_at=now + timedelta(seconds=WINDOW_S),
    )


async def _load(container: Container, request: Request, text: str) -> Batch:
    principal = await container.authenticator.authenticate(request.headers)
    id_ = parse_id(BATCH_ID, text)
    batch = await store.find(container.pool, principal.owner, id_, SURFACE) if id_ else None
    if batch is None:
        raise no_such("Batch")
    return batch


async def _view(container: Container, batch: Batch) -> dict[str, object]:
    return batch_view(batch, (await store.count_rows(container.pool, [batch.id]))[batch.id])


def batch_view(batch: Batch, tally: Tally) -> dict[str, object]:
    """OpenAI's Batch; ``credits`` is ours."""
    ended = {batch.state: _seconds(batch.ended_at)}
    return {
        "id": f"{BATCH_ID}{batch.id.hex}",
        "object": "batch",
        "endpoint": batch.endpoint,
        "errors": _errors(batch),
        "input_file_id": _file(batch.input_file_id),
        "completion_window": "24h",
        "status": batch.state,
        "output_file_id": _file(batch.output_file_id),
        "error_file_id": _file(batch.error_file_id),
        "created_at": _seconds(batch.created_at),
        "in_progress_at": _seconds(batch.in_progress_at),
        "expires_at": _seconds(batch.expires_at),
        "finalizing_at": _seconds(batch.finalizing_at),
        "completed_at": ended.get("completed"),
        "failed_at": ended.get("failed"),
        "expired_at": ended.get("expired"),
        "cancelling_at": _seconds(batch.cancelling_at),
        "cancelled_at": ended.get("cancelled"),
        "request_counts": {
            "total": batch.rows,
            "completed": tally.count("succeeded"),
            "failed": tally.count("failed", "cancelled", "expired"),
        },
        "metadata": dict(batch.attributes) or None,
        "credits": {"quoted": batch.quoted, "captured": tally.captured, "held": tally.held},
    }


def _errors(batch: Batch) -> dict[str, object] | None:
    if batch.errors is None:
        return None
    data = [dict(error) | {"code": _code(str(error["code"]))} for error in batch.errors]
    return {"object": "list", "data": data}


def _code(code: str) -> str | None:
    """The problem's code in OpenAI's words."""
    return error_view(Problem(code, ""))["code"] if code in PROBLEM_TYPES else code


def _file(id_: Any) -> str | None:
    return f"{FILE_ID}{id_.hex}" if id_ else None


def _seconds(at: datetime | None) -> int | None:
    return int(at.timestamp()) if at else None
