"""``/docs``: a page for each surface, made from the OpenAPI that is served, so that it cannot say otherwise."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from jinja2 import Environment, FileSystemLoader, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from atelier_gateway.problems import not_found

HERE = Path(__file__).parent
HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'self'; frame-ancestors 'none'"}
_templates = Environment(loader=FileSystemLoader(HERE), autoescape=select_autoescape(), trim_blocks=True)
_style = (HERE / "style.css").read_bytes()


@dataclass(frozen=True, slots=True)
class Answer:
    """One status a route can answer with; ``example`` is JSON text, empty where there is none."""

    status: str
    description: str
    example: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One route as its page shows it."""

    method: str
    path: str
    summary: str
    parameters: list[Mapping[str, Any]]
    body: str
    answers: list[Answer]


def surfaces(openapi: Mapping[str, Any]) -> dict[str, list[Operation]]:
    """The operations of each surface (tag), in the order in which the description names them."""
    found: dict[str, list[Operation]] = {}
    for path, operations in openapi["paths"].items():
        for method, operation in operations.items():
            for tag in operation.get("tags", ["Other"]):
                found.setdefault(tag, []).append(_operation(openapi, method, path, operation))
    return found


def slug(tag: str) -> str:
    """A tag as it stands in a URL."""
    return re.sub(r"[^a-z0-9]+", "-", tag.lower()).strip("-")


def router() -> APIRouter:
    """The pages; public, and the same for everybody."""
    routes = APIRouter(prefix="/docs", include_in_schema=False)

    @routes.get("")
    async def index(request: Request) -> Response:
        return _page("index.html", request, surfaces=surfaces(request.app.openapi()))

    @routes.get("/style.css")
    async def style() -> Response:
        return Response(_style, media_type="text/css")

    @routes.get("/{name}")
    async def surface(request: Request, name: str) -> Response:
        for tag, operations in surfaces(request.app.openapi()).items():
            if slug(tag) == name:
                return _page("surface.html", request, tag=tag, operations=operations)
        raise not_found("page")

    return routes


def _page(template: str, request: Request, **values: object) -> HTMLResponse:
    html = _templates.get_template(template).render(slug=slug, title=request.app.title, **values)
    return HTMLResponse(html, headers=HEADERS)


def _operation(openapi: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> Operation:
    content = operation.get("requestBody", {}).get("content", {})
    body = next((_sample(openapi, media) for media in content.values()), "")
    answers = [_answer(openapi, status, answer) for status, answer in sorted(operation["responses"].items())]
    summary = operation.get("description") or operation.get("summary", "")
    return Operation(method.upper(), path, summary, operation.get("parameters", []), body, answers)


def _answer(openapi: Mapping[str, Any], status: str, answer: Mapping[str, Any]) -> Answer:
    media: Mapping[str, Any] = next(iter(answer.get("content", {}).values()), {})
    return Answer(status, answer.get("description", ""), _sample(openapi, media))


def _sample(openapi: Mapping[str, Any], media: Mapping[str, Any]) -> str:
    """An example of a body: the declared one, else the schema itself."""
    for example in media.get("examples", {}).values():
        return _json(example["value"])
    schema = _resolved(openapi, media.get("schema", {}))
    if schema.get("examples"):
        return _json(schema["examples"][0])
    return _json(schema) if schema.get("properties") else ""


def _resolved(openapi: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = schema.get("$ref", "")
    name = reference.rpartition("/")[2]
    return openapi["components"]["schemas"][name] if reference else schema


def _json(value: object) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
