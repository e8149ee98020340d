"""JSON in and out: bytes straight into a model that refuses what it does not know, and values into bytes."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from atelier_contracts.value_objects import PROMPT_CHARS_MAX
from atelier_gateway.web import field_errors, text
from atelier_gateway.web.problems import Problem, field_problem, not_found

MultilineText = Annotated[str, AfterValidator(text.prose)]
"""Text of many lines. PostgreSQL stores no NUL, and no control character belongs into a prompt."""
Prompt = Annotated[MultilineText, AfterValidator(text.not_blank), Field(min_length=1, max_length=PROMPT_CHARS_MAX)]
"""The part of the body in the error."""
SingleLine = Annotated[str, AfterValidator(text.one_line), Field(min_length=1, max_length=200)]
"""A name, a word: nothing that could forge a second line in a log."""
FileName = Annotated[str, AfterValidator(text.one_line), Field(min_length=1, max_length=1_000)]
"""As it is called at home, path and all; only a short part of it becomes part of a key."""
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
NOT_UTF8 = (b"\xff\xfe", b"\xfe\xff", b"\x00")
"""How JSON in UTF-16 and UTF-32 begins."""


class RequestBody(BaseModel):
    """A request body. An unknown field is refused, so that ``store_id`` or ``credits`` can never be smuggled in."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)


BodyModel = TypeVar("BodyModel", bound=RequestBody)


async def parse_body(request: Request, model: type[BodyModel]) -> BodyModel:
    """The body as a model. Raises Problem: 400 naming each field at fault, 413 from the byte cap.

    The parser refuses nesting deeper than 200 levels; the cap on bytes stands in ``middleware/request_guard.py``.
    """
    raw = (await request.body()).removeprefix(BYTE_ORDER_MARK)
    if not raw.strip() or raw.startswith(NOT_UTF8):
        raise field_problem("body", "a JSON object in UTF-8 is required")
    try:
        return model.model_validate_json(raw)
    except ValidationError as error:
        raise validation_problem(error) from None


def validation_problem(invalid: ValidationError) -> Problem:
    """400, naming each field at fault."""
    return field_errors.problem_of(invalid.errors(include_url=False))


def json_response(value: object, status: int = 200) -> Response:
    """A JSON response; equal values give equal bytes."""
    body = json.dumps(value, separators=(",", ":"), ensure_ascii=False, default=_to_json_value).encode()
    return Response(body, status, media_type="application/json")


def _to_json_value(value: object) -> str:
    """What JSON has no word for: a moment as RFC 3339 writes it, an id as text."""
    return value.isoformat() if isinstance(value, datetime) else str(value)


def body_schema(model: type[RequestBody], *, required: bool = True) -> dict[str, Any]:
    """The ``openapi_extra`` of a route that reads this model."""
    schema = model.model_json_schema()
    content = {"application/json": {"schema": _inline_references(schema, schema.pop("$defs", {}))}}
    return {"requestBody": {"required": required, "content": content}}


def _inline_references(node: Any, definitions: Mapping[str, Any]) -> Any:
    """OpenAPI resolves references from the document's root, where a body's own definitions are not."""
    if isinstance(node, dict):
        if "$ref" in node:
            return _inline_references(definitions[node["$ref"].rsplit("/", 1)[-1]], definitions)
        return {name: _inline_references(value, definitions) for name, value in node.items()}
    return [_inline_references(value, definitions) for value in node] if isinstance(node, list) else node


def id_from_path(id_: str, what: str = "resource") -> UUID:
    """A malformed id is an unknown id. Raises Problem 404."""
    try:
        return UUID(id_)
    except ValueError:
        raise not_found(what) from None
