"""``/docs``: a page for each surface, made from the OpenAPI that is served; and what all pages have in common."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from atelier_gateway.web.problems import not_found

HERE = Path(__file__).parent
HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'"}
WORDS_MAX = 12
_templates = Environment(
    loader=FileSystemLoader(HERE), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
)
_style = (HERE / "style.css").read_bytes()


@dataclass(frozen=True, slots=True)
class Answer:
    """One status a route can answer with; ``example`` is JSON text, empty where there is none."""

    status: str
    description: str
    example: str


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a body: ``kind`` says what it takes, in a few words."""

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
    parameters: list[Mapping[str, Any]]
    body: str
    fields: list[Field]
    answers: list[Answer]

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
    """The surfaces (tags) in the order in which the description tells of them, then any it does not tell of."""
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


def router() -> APIRouter:
    """The pages; public, and the same for everybody."""
    routes = APIRouter(prefix="/docs", include_in_schema=False)

    @routes.get("")
    async def index(request: Request) -> Response:
        return page("index.html", request, surfaces=surfaces(request.app.openapi()))

    @routes.get("/style.css")
    async def style() -> Response:
        return Response(_style, media_type="text/css")

    @routes.get("/{name}")
    async def surface(request: Request, name: str) -> Response:
        for one in surfaces(request.app.openapi()):
            if slug(one.tag) == name:
                return page("surface.html", request, surface=one)
        raise not_found("page")

    return routes


def page(template: str, request: Request, **values: object) -> HTMLResponse:
    """A page of this folder, which loads nothing but its style and runs nothing."""
    html = _templates.get_template(template).render(slug=slug, marked=marked, title=request.app.title, **values)
    return HTMLResponse(html, headers=HEADERS)


def _operation(openapi: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    content = operation.get("requestBody", {}).get("content", {})
    body = next((_example(openapi, media) for media in content.values()), "")
    answers = [_answer(openapi, status, answer) for status, answer in sorted(operation["responses"].items())]
    fields = [field for media in content.values() for field in _fields(_resolved(openapi, media.get("schema", {})))]
    summary = operation.get("description") or operation.get("summary", "")
    return Operation(method.upper(), path, summary, operation.get("parameters", []), body, fields, answers)


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
    options = [one for one in field.get("anyOf", [field]) if one.get("type") != "null"]
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
    """An example of a body, else its schema."""
    schema = _resolved(openapi, media.get("schema", {}))
    return _example(openapi, media) or (_json(schema) if schema.get("properties") else "")


def _example(openapi: Mapping[str, Any], media: Mapping[str, Any]) -> str:
    """The declared example of a body, else one made of those of its fields."""
    for example in media.get("examples", {}).values():
        return _json(example["value"])
    schema = _resolved(openapi, media.get("schema", {}))
    if schema.get("examples"):
        return _json(schema["examples"][0])
    fields = schema.get("properties", {}).items()
    return _json(found) if (found := {name: one["examples"][0] for name, one in fields if one.get("examples")}) else ""


def _resolved(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref", "")
    name = reference.rpartition("/")[2]
    return openapi["components"]["schemas"][name] if reference else schema


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
