"""Creates native batches: parses the rows, prices them as a whole, and writes them down."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from uuid_utils.compat import uuid7

from atelier_gateway.batches import planning
from atelier_gateway.batches.planning import Plan
from atelier_gateway.batches.records import Batch, LineError, Tally
from atelier_gateway.container import Container
from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.idempotency.keys import StoredResponse
from atelier_gateway.idempotency.responses import claim_of, respond_once
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.surfaces.native.batch_requests import (
    WINDOW_S_DEFAULT,
    WINDOW_S_MAX,
    WINDOW_S_MIN,
    GenerationBatchRequest,
)
from atelier_gateway.surfaces.native.batch_responses import PREFIX, batch_view, quote_view
from atelier_gateway.surfaces.native.batch_rows import NATIVE, NativeRows
from atelier_gateway.web.json_bodies import json_response, parse_body
from atelier_gateway.web.pagination import DIGITS_MAX
from atelier_gateway.web.problems import Problem, field_problem
from atelier_gateway.web.simulate_header import SIMULATE_HEADER, parse_simulation
from atelier_messaging import Transaction

ENDPOINT = "/v1/generations"
JSON_LINES = ("application/jsonl", "application/x-ndjson", "application/jsonlines")
CREDITS_MAX = 10**12
Lines = Sequence[tuple[int, bytes | Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class ParsedBatch:
    """A batch as it was sent; its rows are not judged yet. ``place`` begins the name of a row's field."""

    lines: Lines
    max_credits: int | None
    window_s: int
    attributes: Mapping[str, Any]
    is_inline: bool
    simulate: str | None

    def place(self, line: int) -> str:
        """How the client knows the row."""
        return f"rows.{line - 1}." if self.is_inline else f"line {line}: "


async def parse_batch(container: Container, request: Request, principal: Principal) -> ParsedBatch:
    """The body: JSON with ``rows``, or JSON lines with the other fields in the query. Raises Problem 400."""
    simulate = request.headers.get(SIMULATE_HEADER)
    parse_simulation(simulate, allowed=container.simulates(principal.owner))
    media = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media in JSON_LINES:
        lines = planning.split_lines(await request.body(), rows_max=container.settings.batch_rows_max)
        window_s = _number(request, "completion_window_s", WINDOW_S_MIN, WINDOW_S_MAX)
        credits = _number(request, "max_credits", 0, CREDITS_MAX)
        return ParsedBatch(lines, credits, window_s or WINDOW_S_DEFAULT, {}, is_inline=False, simulate=simulate)
    body = await parse_body(request, GenerationBatchRequest)
    rows = [(number, row.model_dump(mode="json", exclude_unset=True)) for number, row in enumerate(body.rows, 1)]
    return ParsedBatch(
        rows, body.max_credits, body.completion_window_s, body.metadata, is_inline=True, simulate=simulate
    )


async def plan_batch(container: Container, principal: Principal, parsed: ParsedBatch) -> Plan:
    """The rows, priced. Raises Problem: 400 naming the rows at fault, 422 above ``max_credits``, 503."""
    planned = await planning.plan_rows(NativeRows(container), principal, ENDPOINT, parsed.lines)
    errors = [item for item in planned if isinstance(item, LineError)]
    if errors:
        named = [
            {"field": f"{parsed.place(error.line or 0)}{error.param or ''}".rstrip(". :"), "message": error.message}
            for error in errors
        ]
        first = f"{named[0]['field']}: {errors[0].message}"
        raise Problem("invalid_request", f"Nothing is created. {first}", details={"errors": named})
    rows = [item for item in planned if not isinstance(item, LineError)]
    try:
        plan = await planning.price_rows(container.peers, principal.owner, rows, window_s=parsed.window_s)
    except PeerUnavailable as error:
        raise unavailable_problem(error) from error
    if parsed.max_credits is not None and plan.credits > parsed.max_credits:
        detail = f"It costs {plan.credits} credits, and the request allows {parsed.max_credits}. Nothing was started."
        raise Problem(
            "spend_limit_exceeded", detail, details={"required": plan.credits, "max_credits": parsed.max_credits}
        )
    return plan


async def quote_batch(container: Container, request: Request, principal: Principal) -> Response:
    """200 with the price of the whole. Raises Problem."""
    plan = await plan_batch(container, principal, await parse_batch(container, request, principal))
    return json_response(quote_view(plan, is_test=principal.owner.is_test))


async def create_batch(container: Container, request: Request, principal: Principal) -> Response:
    """201 with the batch, whose rows begin at once. Raises Problem; then nothing is created."""
    parsed, owner = await parse_batch(container, request, principal), principal.owner
    same = (await request.body()).hex(), str(request.query_params), parsed.simulate or ""
    claim = claim_of(request, owner.kind, owner.id, f"POST {PREFIX}", *same)

    async def act() -> StoredResponse:
        plan = await plan_batch(container, principal, parsed)
        await container.balance_check.require(owner, plan.credits)
        batch = _new_batch(principal, parsed, plan)
        shown = json_response(
            batch_view(batch, Tally({"waiting": len(plan.rows)}), container.settings.public_root), 201
        )
        stored = StoredResponse(201, bytes(shown.body))

        def record(tx: Transaction) -> None:
            if claim is not None:
                idempotency_store.save_responses(tx, [(claim, stored)], must_hold=True)

        await container.batch_creator.create(batch, plan, record)
        container.batches_woken.set()
        return stored

    return await respond_once(container.idempotent_runner, claim, act)


def _new_batch(principal: Principal, parsed: ParsedBatch, plan: Plan) -> Batch:
    now = datetime.now(UTC)
    return Batch(
        id=uuid7(),
        owner=principal.owner,
        channel=principal.channel,
        spenders=principal.spenders,
        surface=NATIVE,
        endpoint=ENDPOINT,
        input_file_id=None,
        attributes=parsed.attributes,
        simulate=parsed.simulate,
        window_s=parsed.window_s,
        output_life_s=None,
        state="in_progress",
        rows=len(plan.rows),
        quoted=plan.credits,
        prices=plan.prices,
        errors=None,
        output_file_id=None,
        error_file_id=None,
        created_at=now,
        expires_at=now + timedelta(seconds=parsed.window_s),
        in_progress_at=now,
    )


def _number(request: Request, name: str, least: int, most: int) -> int | None:
    text = request.query_params.get(name)
    if text is None:
        return None
    number = int(text) if len(text) <= DIGITS_MAX and text.isascii() and text.isdecimal() else -1
    if not least <= number <= most:
        raise field_problem(name, f"a whole number from {least} to {most} is required")
    return number
