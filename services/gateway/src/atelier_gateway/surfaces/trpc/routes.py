"""The routes of the surface: one for queries, one for mutations; authentication comes before parsing."""

import json
from collections.abc import AsyncIterator, Mapping, Sequence

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from atelier_gateway.container import Container
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.surfaces.trpc.calls import Procedure, run_calls
from atelier_gateway.surfaces.trpc.procedures import Procedures
from atelier_gateway.surfaces.trpc.protocol import PREFIX, Call, parse_calls, render_problem
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import Problem

JSON_LINES = "application/jsonl"
FULFILLED, PROMISE = 0, 0
"""Numbers of tRPC's stream: a fulfilled promise, and a promised value."""


def router(container: Container) -> APIRouter:
    """The routes of the surface."""
    # tRPC describes itself by its router type; OpenAPI has no words for its batches.
    routes = APIRouter(prefix=PREFIX, include_in_schema=False)
    procedures = Procedures(container)

    @routes.get("/{paths}")
    async def query(request: Request, paths: str) -> Response:
        principal = await _principal(container, request)
        return await _respond(request, principal, paths, request.query_params.get("input"), procedures.queries)

    @routes.post("/{paths}")
    async def mutate(request: Request, paths: str) -> Response:
        principal = await _principal(container, request)
        text = (await request.body()).decode(errors="replace")
        return await _respond(request, principal, paths, text or None, procedures.mutations)

    return routes


async def _principal(container: Container, request: Request) -> Principal:
    """Authenticates once a request, so that a batch counts as one login. Raises Problem 401, 403."""
    return await container.authenticator.user_principal(request.headers)


async def _respond(
    request: Request, principal: Principal, paths: str, text: str | None, procedures: Mapping[str, Procedure]
) -> Response:
    """One envelope, a list of them for a batch (207 where its calls differ), or a stream of them."""
    batched, streamed = request.query_params.get("batch") == "1", _is_stream(request)
    if streamed and not batched:
        return render_problem(
            Problem("invalid_request", "Streaming requests must be batched (you can do a batch of 1).")
        )
    try:
        calls = parse_calls(paths, text, batched=batched)
    except Problem as error:
        return render_problem(error)
    if streamed:
        return StreamingResponse(_lines(request, principal, calls, procedures), media_type="application/json")
    results = {index: result async for index, result in run_calls(request, principal, calls, procedures)}
    statuses = {status for status, _ in results.values()}
    status = statuses.pop() if len(statuses) == 1 else 207
    envelopes = [results[index][1] for index in range(len(calls))]
    return json_response(envelopes if batched else envelopes[0], status)


def _is_stream(request: Request) -> bool:
    """``httpBatchStreamLink`` says so in ``trpc-accept``, or in ``Accept`` where it is configured to."""
    if (accepted := request.headers.get("trpc-accept")) is not None:
        return accepted == JSON_LINES
    return JSON_LINES in (accepted.strip() for accepted in request.headers.get("accept", "").split(","))


async def _lines(
    request: Request, principal: Principal, calls: Sequence[Call], procedures: Mapping[str, Procedure]
) -> AsyncIterator[str]:
    """tRPC's JSON lines: a head that promises a value for each call, then a line for each value.

    A value is ``[[value], *[key, kind, line]]``: which parts are still promised, and under which number they will come.
    """
    yield _line({str(index): [[0], [None, PROMISE, index]] for index in range(len(calls))})
    async for index, (_, envelope) in run_calls(request, principal, calls, procedures):
        yield _line([index, FULFILLED, [[envelope]]])


def _line(value: object) -> str:
    return json.dumps(value, separators=(",", ":")) + "\n"
