"""The API reference as values: one surface a tag, one operation a route, from the OpenAPI that is served."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

WORDS_MAX = 12
EXAMPLE_DEPTH_MAX = 6
"""How deep an example is made from a schema; deeper objects are shown empty."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One status a route can answer with; ``example`` is JSON text, empty where there is none."""

    status: str
    description: str
    example: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a body or one parameter: ``kind`` says in a few words what it takes."""

    name: str
    kind: str
    required: bool
    description: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as its page shows it."""

    method: str
    path: str
    summary: str
    parameters: list[Field]
    body: str
    fields: list[Field]
    answers: list[Answer]
    curl: str = ""

    @property
    def anchor(self) -> str:
        """Where it stands on its page."""
        return slug(f"{self.method} {self.path}")


@dataclass(frozen=True, slots=True)
class Surface:
    """One surface: its tag, what it is for, its operations."""

    tag: str
    about: str
    operations: list[Operation]


def surfaces(openapi: Mapping[str, Any]) -> list[Surface]:
    """The surfaces (tags) in the order in which the description lists them, then all others."""
    found: dict[str, Surface] = {
        tag["name"]: Surface(tag["name"], tag["description"], []) for tag in openapi.get("tags", [])
    }
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            for tag in operation.get("tags", ["Other"]):
                surface = found.setdefault(tag, Surface(tag, "", []))
                surface.operations.append(_operation(openapi, method, path, operation))
    return [surface for surface in found.values() if surface.operations]


def slug(tag: str) -> str:
    """A tag as it stands in a URL."""
    return re.sub(r"[^a-z0-9]+", "-", tag.lower()).strip("-")


def marked(text: str) -> Markup:
    """Plain text, safe to show; what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text.replace("``", "`")))))  # noqa: S704 - escaped


def _operation(openapi: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    content = operation.get("requestBody", {}).get("content", {})
    body = next((_example(openapi, media) for media in content.values()), "")
    answers = [_answer(openapi, status, answer) for status, answer in sorted(operation["responses"].items())]
    fields = [field for media in content.values() for field in _fields(_resolved(openapi, media.get("schema", {})))]
    summary = operation.get("description") or operation.get("summary", "")
    parameters = [_parameter(openapi, declared) for declared in operation.get("parameters", [])]
    curl = _curl(method.upper(), path, body, is_json="application/json" in content)
    return Operation(method.upper(), path, summary, parameters, body, fields, answers, curl)


def _parameter(openapi: Mapping[str, Any], declared: Mapping[str, Any]) -> Field:
    parameter = _resolved(openapi, declared)
    schema = parameter.get("schema", {})
    words = [str(parameter.get("in", "")), _kind(_resolved(openapi, schema))]
    if schema.get("default") is not None:
        words.append(f"default {schema['default']}")
    required, description = bool(parameter.get("required")), parameter.get("description", "")
    return Field(parameter["name"], ", ".join(word for word in words if word), required, description)


def _curl(method: str, path: str, body: str, *, is_json: bool) -> str:
    """The call as a person types it; empty where the body is not JSON, since a form has no short line."""
    if body and not is_json:
        return ""
    words = ["curl -s", '-H "Authorization: Bearer $TOKEN"']
    if method != "GET" and not (method == "POST" and body):
        words.append(f"-X {method}")
    if body:
        quoted = body.replace("'", "'\\''")
        words.append(f"-H 'Content-Type: application/json' \\\n  -d '{quoted}' \\\n ")
    return f'{" ".join(words)} "$ATELIER_URL{path}"'


def _fields(schema: Mapping[str, Any]) -> list[Field]:
    if "anyOf" in schema:
        return _fields(schema["anyOf"][0])
    needed = schema.get("required", ())
    return [
        Field(name, _kind(field), name in needed, field.get("description", ""))
        for name, field in schema.get("properties", {}).items()
    ]


def _kind(field: Mapping[str, Any]) -> str:
    """Type and bounds in a few words: ``integer, 1 to 10``, ``png | jpeg | webp``, ``list of objects, 10 at most``."""
    options = [option for option in field.get("anyOf", [field]) if option.get("type") != "null"]
    one: Mapping[str, Any] = options[0] if options else field
    if "enum" in one or "const" in one:
        words = [str(word) for word in one.get("enum", [one.get("const")]) if word is not None]
        return " | ".join(words[:WORDS_MAX]) + (" | …" if len(words) > WORDS_MAX else "")
    words = [f"list of {one['items'].get('type', 'value')}s" if one.get("type") == "array" else one.get("type", "")]
    low, high = one.get("minimum", one.get("minItems")), one.get("maximum", one.get("maxItems", one.get("maxLength")))
    if low is not None and high is not None:
        words.append(f"{low} to {high}")
    elif high is not None:
        words.append(f"{high} at most")
    return ", ".join(word for word in words if word)


def _answer(openapi: Mapping[str, Any], status: str, answer: Mapping[str, Any]) -> Answer:
    media: Mapping[str, Any] = next(iter(answer.get("content", {}).values()), {})
    return Answer(status, answer.get("description", ""), _sample(openapi, media))


def _sample(openapi: Mapping[str, Any], media: Mapping[str, Any]) -> str:
    """The declared example of a body, else one made from its schema; empty where a body is no JSON object or list."""
    if declared := _example(openapi, media):
        return declared
    made = _made(openapi, media.get("schema", {}))
    return _json(made) if isinstance(made, dict | list) and made else ""


def _made(openapi: Mapping[str, Any], schema: Mapping[str, Any], depth: int = 0) -> object:
    """A value that the schema describes, from the examples, constants and defaults of its parts."""
    schema = _resolved(openapi, schema)
    options = [
        option for option in (*schema.get("anyOf", ()), *schema.get("oneOf", ())) if option.get("type") != "null"
    ]
    for word in ("const", "default"):
        if schema.get(word) is not None:
            return schema[word]
    for values in (schema.get("examples"), schema.get("enum")):
        if values:
            return values[0]
    if "allOf" in schema:
        return _made(openapi, schema["allOf"][0], depth)
    if options:
        return _made(openapi, options[0], depth)
    if schema.get("type") == "array":
        return [_made(openapi, schema.get("items", {}), depth + 1)] if depth < EXAMPLE_DEPTH_MAX else []
    if "properties" in schema:
        if depth >= EXAMPLE_DEPTH_MAX:
            return {}
        return {name: _made(openapi, part, depth + 1) for name, part in schema["properties"].items()}
    return PLAIN.get((schema.get("type", ""), schema.get("format", "")), PLAIN.get((schema.get("type", ""), "")))


PLAIN: Mapping[tuple[str, str], object] = {
    ("string", ""): "…",
    ("string", "uuid"): "01a1fd11-e2fa-70a8-aabc-614f2963bf51",
    ("string", "date-time"): "2026-01-01T12:00:00+00:00",
    ("string", "uri"): "https://example.com/…",
    ("integer", ""): 1,
    ("number", ""): 1.5,
    ("boolean", ""): True,
    ("object", ""): {},
}
"""A value by type and format, where a schema gives none."""


def _example(openapi: Mapping[str, Any], media: Mapping[str, Any]) -> str:
    """The declared example of a body, else one made of those of its fields."""
    for example in media.get("examples", {}).values():
        return _json(example["value"])
    schema = _resolved(openapi, media.get("schema", {}))
    if schema.get("examples"):
        return _json(schema["examples"][0])
    fields = schema.get("properties", {}).items()
    found = {name: schema["examples"][0] for name, schema in fields if schema.get("examples")}
    return _json(found) if found else ""


def _resolved(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref", "")
    name = reference.rpartition("/")[2]
    return openapi["components"]["schemas"][name] if reference else schema


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
