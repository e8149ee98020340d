"""Seed 000 for shoppers: ``tryOn.create | get | list`` over tRPC's HTTP protocol, plain JSON, single and batched calls.

Source: the tRPC HTTP RPC specification (v10 and v11, no transformer). The stock client works unchanged.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, NamedTuple

from fastapi import APIRouter, Request
from pydantic import Field, ValidationError
from starlette.responses import Response

from atelier_contracts import Owner
from atelier_contracts.vocabulary import INPUTS_MAX, PROMPT_CHARS_MAX
from atelier_gateway import try_on
from atelier_gateway.bodies import Body, Prose, answer, id_from_path
from atelier_gateway.creating import Shape
from atelier_gateway.identity.principals import Principal
from atelier_gateway.paging import cursor_after, cursor_from
from atelier_gateway.parts import Parts
from atelier_gateway.problems import Problem, not_found
from atelier_gateway.simulation import HEADER as SIMULATE
from atelier_gateway.simulation import simulation
from atelier_gateway.store import generations, listing
from atelier_gateway.store.generations import Generation, NewGeneration

PREFIX = "/api/trpc"
SURFACE = "trpc"
CALLS_MAX = 10
LIST_DEFAULT, LIST_MAX = 20, 100


class Code(NamedTuple):
    """tRPC's word for a status, and its JSON-RPC number."""

    word: str
    number: int


CODES: Mapping[int, Code] = {
    400: Code("BAD_REQUEST", -32600),
    401: Code("UNAUTHORIZED", -32001),
    402: Code("PAYMENT_REQUIRED", -32002),
    403: Code("FORBIDDEN", -32003),
    404: Code("NOT_FOUND", -32004),
    405: Code("METHOD_NOT_SUPPORTED", -32005),
    409: Code("CONFLICT", -32009),
    413: Code("PAYLOAD_TOO_LARGE", -32013),
    422: Code("UNPROCESSABLE_CONTENT", -32022),
    429: Code("TOO_MANY_REQUESTS", -32029),
    500: Code("INTERNAL_SERVER_ERROR", -32603),
    503: Code("SERVICE_UNAVAILABLE", -32603),
}


class Create(Body):
    """``imageUrls``: the person first, then the garments."""

    imageUrls: list[Annotated[str, Field(min_length=1, max_length=4_096)]] = Field(min_length=1, max_length=INPUTS_MAX)
    prompt: Annotated[Prose, Field(min_length=1, max_length=PROMPT_CHARS_MAX)] | None = None


class Get(Body):
    """One session."""

    sessionId: str


class List(Body):
    """A page, newest first."""

    limit: int = Field(default=LIST_DEFAULT, ge=1, le=LIST_MAX)
    cursor: str | None = None


class Call(NamedTuple):
    """One procedure call of a request."""

    path: str
    input: Any


Answered = tuple[int, dict[str, Any]]
"""A status and what tRPC calls an envelope: ``{"result"}`` or ``{"error"}``."""


def router(parts: Parts) -> APIRouter:
    """The routes of the surface: one for queries, one for mutations."""
    # tRPC describes itself by its router type; OpenAPI has no words for its batches.
    routes = APIRouter(prefix=PREFIX, include_in_schema=False)
    procedures = Procedures(parts)

    @routes.get("/{paths}")
    async def query(request: Request, paths: str) -> Response:
        return await _respond(request, paths, request.query_params.get("input"), procedures.queries)

    @routes.post("/{paths}")
    async def mutate(request: Request, paths: str) -> Response:
        text = (await request.body()).decode(errors="replace")
        return await _respond(request, paths, text or None, procedures.mutations)

    return routes


Procedure = Callable[[Request, Any], Awaitable[Answered]]


class Procedures:
    """What can be called."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.queries: dict[str, Procedure] = {"tryOn.get": self.get, "tryOn.list": self.list}
        self.mutations: dict[str, Procedure] = {"tryOn.create": self.create}

    async def create(self, request: Request, given: Any) -> Answered:
        """``{sessionId, status}``."""
        principal = await self._principal(request)
        body = _checked(Create, given)
        draft = await try_on.draft(
            self._parts.inputs,
            principal.owner,
            body.imageUrls,
            field="imageUrls",
            prompt=body.prompt,
            simulate=simulation(request.headers.get(SIMULATE), allowed=self._parts.simulating),
            request=body.model_dump(mode="json", exclude_none=True),
            deadline_s=self._parts.settings.generation_deadline_s,
        )
        response = await self._parts.creating.create(principal, draft, SHAPE)
        envelope: dict[str, Any] = json.loads(bytes(response.body))
        return response.status_code, envelope

    async def get(self, request: Request, given: Any) -> Answered:
        """``{sessionId, status, generatedImageUrl, errorMessage}``."""
        principal = await self._principal(request)
        id_ = id_from_path(_checked(Get, given).sessionId, "session")
        found = await generations.of_owner(self._parts.pool, id_, principal.owner)
        if found is None or found.surface != SURFACE:
            raise not_found("session")
        return 200, _result(self._view(found))

    async def list(self, request: Request, given: Any) -> Answered:
        """``{items, nextCursor}``."""
        principal = await self._principal(request)
        wanted = _checked(List, {} if given is None else given)
        before = cursor_from(wanted.cursor)
        found = await listing.newest(
            self._parts.pool, principal.owner, limit=wanted.limit, before=before, surface=SURFACE
        )
        items = [self._view(generation) for generation in found]
        return 200, _result({"items": items, "nextCursor": cursor_after(found, wanted.limit)})

    async def _principal(self, request: Request) -> Principal:
        user = await self._parts.identity.user(request.headers)
        return Principal(Owner(kind="user", id=user.id), "b2c")

    def _view(self, generation: Generation) -> dict[str, object]:
        return {
            "sessionId": str(generation.id),
            "status": try_on.STATUSES[generation.snapshot.state],
            "generatedImageUrl": try_on.picture_url(generation, self._parts.objects),
            "errorMessage": try_on.error_message(generation),
        }


async def _respond(request: Request, paths: str, text: str | None, procedures: Mapping[str, Procedure]) -> Response:
    """Every call of the request in turn; a batch answers a list, and 207 where its calls differ."""
    batched = request.query_params.get("batch") == "1"
    try:
        calls = _calls(paths, text, batched=batched)
    except Problem as refused:
        return problem(refused)
    answered = [await _call(request, call, procedures) for call in calls]
    statuses = {status for status, _ in answered}
    status = statuses.pop() if len(statuses) == 1 else 207
    envelopes = [envelope for _, envelope in answered]
    return answer(envelopes if batched else envelopes[0], status)


def _calls(paths: str, text: str | None, *, batched: bool) -> list[Call]:
    names = paths.split(",") if batched else [paths]
    if len(names) > CALLS_MAX:
        raise Problem("invalid_request", f"A batch has at most {CALLS_MAX} calls here.")
    try:
        given = json.loads(text) if text else None
    except (ValueError, RecursionError):
        raise Problem("invalid_request", "The input is not JSON, or nested too deeply.") from None
    if not batched:
        return [Call(paths, given)]
    inputs = given if isinstance(given, dict) else {}
    return [Call(name, inputs.get(str(number))) for number, name in enumerate(names)]


async def _call(request: Request, call: Call, procedures: Mapping[str, Procedure]) -> Answered:
    procedure = procedures.get(call.path)
    if procedure is None:
        return _refused(Problem("not_found", f"There is no such procedure for {request.method}."), call.path)
    try:
        return await procedure(request, call.input)
    except Problem as refused:
        return _refused(refused, call.path)


def _checked(model: type[Any], given: Any) -> Any:
    try:
        return model.model_validate(given)
    except ValidationError as invalid:
        first = invalid.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"])) or "input"
        raise Problem("invalid_request", f"{where}: {first['msg']}") from None


def _result(data: object) -> dict[str, Any]:
    return {"result": {"data": data}}


def _refused(refusal: Problem, path: str | None = None) -> Answered:
    code = CODES[refusal.status]
    data = {"code": code.word, "httpStatus": refusal.status} | ({"path": path} if path else {})
    return refusal.status, {"error": {"message": refusal.detail, "code": code.number, "data": data}}


def problem(refusal: Problem) -> Response:
    """A refusal outside of any call, in tRPC's shape."""
    status, envelope = _refused(refusal)
    response = answer(envelope, status)
    response.headers.update(refusal.headers)
    return response


def _accepted(generation: NewGeneration) -> Response:
    return answer(_result({"sessionId": str(generation.id), "status": "queued"}), 200)


SHAPE = Shape(SURFACE, f"POST {PREFIX}/tryOn.create", _accepted, problem)
