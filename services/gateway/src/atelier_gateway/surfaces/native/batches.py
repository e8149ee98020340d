"""Routes of batches: quote, create, follow, read the rows, cancel, delete."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.batches import row_store, store
from atelier_gateway.batches.records import Batch
from atelier_gateway.container import Container
from atelier_gateway.projection import store as projection_store
from atelier_gateway.rate_limits.request_limits import RequestLimits, with_rate_limits
from atelier_gateway.surfaces.native import batch_openapi as openapi
from atelier_gateway.surfaces.native.batch_create import CREDITS_MAX, create_batch, quote_batch
from atelier_gateway.surfaces.native.batch_requests import WINDOW_S_MAX, WINDOW_S_MIN, GenerationBatchRequest
from atelier_gateway.surfaces.native.batch_responses import PREFIX, ROW_STATUSES, batch_view, row_view
from atelier_gateway.surfaces.native.request_rules import request_rules
from atelier_gateway.web.json_bodies import body_schema, id_from_path, json_response
from atelier_gateway.web.openapi_responses import CURSOR, KEY, LIMIT, WORKSPACE, answers, query
from atelier_gateway.web.pagination import DIGITS_MAX, parse_number, parse_page, split_page
from atelier_gateway.web.problems import Problem, field_problem, not_found

LIST_MAX = 100
LIST_DEFAULT = 20
REFUSED = ("invalid_request", "simulator_off", "request_too_large", "spend_limit_exceeded")
QUOTED = answers({200: ("What the whole would cost. Nothing is held.", openapi.GenerationBatchQuote)}, *REFUSED)
CREATED = answers(
    {201: ("It is created, and its rows begin.", openapi.GenerationBatch)},
    *REFUSED,
    *("insufficient_credits", "invalid_idempotency_key", "request_in_progress", "idempotency_key_reused"),
    "tenant_queue_full",
)
LISTED = answers({200: ("Newest first.", openapi.GenerationBatchPage)}, "invalid_request")
SHOWN = answers({200: ("The batch as it is now.", openapi.GenerationBatch)}, "not_found")
ROWS = answers({200: ("Rows in order.", openapi.GenerationBatchRowPage)}, "invalid_request", "not_found")
CANCELLED = answers(
    {200: ("It is cancelled.", openapi.GenerationBatch), 202: ("It is being cancelled.", openapi.GenerationBatch)},
    *("not_found", "conflict"),
)
DELETED = answers({204: ("It is deleted; what it made stays.", None)}, "not_found", "conflict")
ROW_CURSOR = CURSOR | {"schema": {"type": "string", "pattern": "^[0-9]{1,9}$"}}
STATUS = query("status", {"type": "string", "enum": list(ROW_STATUSES)}, "Only rows with this status.")
IN_THE_QUERY = [
    query(
        "max_credits",
        {"type": "integer", "minimum": 0, "maximum": CREDITS_MAX},
        "With JSON lines: the most that the whole may cost.",
    ),
    query(
        "completion_window_s",
        {"type": "integer", "minimum": WINDOW_S_MIN, "maximum": WINDOW_S_MAX, "default": 86_400},
        "With JSON lines: rows that have not begun by then expire.",
    ),
]


def router(container: Container) -> APIRouter:
    """The routes of batches."""
    routes = APIRouter(prefix=PREFIX, tags=["Generations"])
    _add_creation(routes, container)
    _add_reads(routes, container)
    _add_ends(routes, container)
    return routes


def _add_creation(routes: APIRouter, container: Container) -> None:
    rules = request_rules(container.settings)
    takes_rows = body_schema(GenerationBatchRequest)

    @routes.post("/quotes", responses=QUOTED, openapi_extra=takes_rows | {"parameters": [*IN_THE_QUERY, WORKSPACE]})
    async def create_generation_batch_quote(request: Request) -> Response:
        """Create a quote of a batch: the price of all its rows. Nothing is created and nothing is held."""

        async def quote(gate: RequestLimits) -> Response:
            principal = await container.authenticator.authenticate(request.headers)
            await rules.take(gate, principal)
            return await quote_batch(container, request, principal)

        return await with_rate_limits(container.rate_limiter, quote)

    @routes.post(
        "",
        status_code=201,
        responses=CREATED,
        openapi_extra=takes_rows | {"parameters": [*IN_THE_QUERY, KEY, WORKSPACE]},
    )
    async def create_generation_batch(request: Request) -> Response:
        """Create a batch of generations: each row becomes one, and is charged once it is delivered.

        The price of all rows is quoted and holds for the batch; credits are held for the rows under way alone.
        """

        async def create(gate: RequestLimits) -> Response:
            principal = await container.authenticator.authenticate(request.headers)
            await rules.take(gate, principal)
            return await create_batch(container, request, principal)

        return await with_rate_limits(container.rate_limiter, create)


def _add_reads(routes: APIRouter, container: Container) -> None:
    public_url = container.settings.public_root

    @routes.get("", responses=LISTED, openapi_extra={"parameters": [LIMIT, CURSOR, WORKSPACE]})
    async def list_generation_batches(request: Request) -> Response:
        """List your batches, newest first."""
        principal = await container.authenticator.authenticate(request.headers)
        limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        found = await store.list_page(container.pool, principal.owner, before=before, limit=limit + 1)
        page, cursor = split_page(found, limit)
        tallies = await store.count_rows(container.pool, [batch.id for batch in page])
        views = [batch_view(batch, tallies[batch.id], public_url) for batch in page]
        return json_response({"data": views, "next_cursor": cursor})

    @routes.get("/{id}", responses=SHOWN, openapi_extra={"parameters": [WORKSPACE]})
    async def get_generation_batch(request: Request, id: str) -> Response:
        """Get a batch: how far it is, and what it cost so far."""
        return json_response(await _view(container, await load_batch(container, request, id)))

    @routes.get("/{id}/rows", responses=ROWS, openapi_extra={"parameters": [STATUS, LIMIT, ROW_CURSOR, WORKSPACE]})
    async def list_generation_batch_rows(request: Request, id: str) -> Response:
        """List the rows of a batch in order, with the outputs of those that have some already."""
        batch = await load_batch(container, request, id)
        limit = parse_number(request.query_params, "limit", default=LIST_DEFAULT, most=LIST_MAX)
        after, status = _row_cursor(request.query_params.get("cursor")), request.query_params.get("status")
        if status is not None and status not in ROW_STATUSES:
            raise field_problem("status", f"one of {', '.join(ROW_STATUSES)} is required")
        states = [ROW_STATUSES[status]] if status else None
        found = await row_store.list_page(container.pool, batch.id, after=after, limit=limit + 1, states=states)
        page, cursor = split_page(found, limit, lambda row: row.number)
        wanted = [(row.generation_id, batch.owner) for row in page]
        made = await projection_store.find_for_owners(container.pool, wanted) if wanted else {}
        views = [
            row_view(batch, row, made.get((row.generation_id, batch.owner)), container.objects, public_url)
            for row in page
        ]
        return json_response({"data": views, "next_cursor": cursor})


def _add_ends(routes: APIRouter, container: Container) -> None:
    @routes.post("/{id}/cancel", responses=CANCELLED, openapi_extra={"parameters": [WORKSPACE]})
    async def cancel_generation_batch(request: Request, id: str) -> Response:
        """Cancel a batch: nothing more of it begins, and what is under way is cancelled. Its credits say what it cost.

        Repeating it changes nothing.
        """
        batch = await load_batch(container, request, id)
        if not await store.cancel(container.pool, batch.id) and batch.state not in ("cancelling", "cancelled"):
            raise Problem("conflict", f"This batch has ended, or is about to: {batch.state}. Nothing was changed.")
        container.batches_woken.set()
        now = await load_batch(container, request, id)
        return json_response(await _view(container, now), 202 if now.is_open else 200)

    @routes.delete("/{id}", status_code=204, responses=DELETED, openapi_extra={"parameters": [WORKSPACE]})
    async def delete_generation_batch(request: Request, id: str) -> Response:
        """Delete a batch that has ended: its rows and its files. The generations it made stay."""
        batch = await load_batch(container, request, id)
        await container.batch_creator.delete(batch.id)
        return Response(status_code=204)


async def load_batch(container: Container, request: Request, id_: str) -> Batch:
    """The batch of a path, if it is the caller's. Raises Problem 404, equally for another owner's."""
    principal = await container.authenticator.authenticate(request.headers)
    batch = await store.find(container.pool, principal.owner, id_from_path(id_, "batch"))
    if batch is None:
        raise not_found("batch")
    return batch


async def _view(container: Container, batch: Batch) -> dict[str, Any]:
    tallies = await store.count_rows(container.pool, [batch.id])
    return batch_view(batch, tallies[batch.id], container.settings.public_root)


def _row_cursor(text: str | None) -> int:
    if text is None:
        return 0
    if not (len(text) <= min(9, DIGITS_MAX) and text.isascii() and text.isdecimal()):
        raise field_problem("cursor", "this is no cursor of ours")
    return int(text)
