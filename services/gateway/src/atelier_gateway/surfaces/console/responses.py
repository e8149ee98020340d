"""The console's pages: templates, the headers that say what a page may do, and problems as pages."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import HTMLResponse, Response

from atelier_gateway.pages.assets import Assets
from atelier_gateway.pages.policy import policy_headers
from atelier_gateway.surfaces.console import words
from atelier_gateway.web.problems import PROBLEM_TYPES, Problem

PREFIX = "/console"
HERE = Path(__file__).parent
PLACES = (
    ("overview", "Overview"),
    ("generations", "Generations"),
    ("failures", "Failures"),
    ("dead-letters", "Dead letters"),
    ("accounts", "Accounts"),
    ("providers", "Providers"),
    ("webhooks", "Webhooks"),
    ("books", "Books"),
    ("events", "Events"),
    ("acts", "Acts"),
    ("upgrade", "Upgrade"),
)
"""The links of the frame: the first part of an address, and its name."""
STYLE, SCRIPT = "console.css", "console.js"
assets = Assets(HERE / "assets", PREFIX + "/assets")
_templates = Environment(
    loader=FileSystemLoader(HERE / "templates"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=StrictUndefined,
)
_templates.filters.update({name: getattr(words, name) for name in ("moment", "clock", "span", "age", "short", "words")})
_templates.filters.update({name: getattr(words, name) for name in ("amount", "number", "pretty", "tone")})
_templates.filters.update({name: getattr(words, name) for name in ("remaining", "duration")})
_templates.globals["places"] = PLACES
_templates.filters["json"] = lambda value: json.dumps(value, indent=2, ensure_ascii=False, default=str)


def page_headers(image_origin: str = "") -> Mapping[str, str]:
    """What a page may do: load its own files, send its own forms, and show pictures of the object store."""
    opened = {"img-src": f"'self' {image_origin}".rstrip(), "form-action": "'self'"}
    return policy_headers(opened, referrer="same-origin", cache="no-store")


def render(template: str, values: Mapping[str, Any], *, status: int = 200, image_origin: str = "") -> HTMLResponse:
    """A page of the console; ``visitor`` among the values is None before the login."""
    html = _templates.get_template(template).render(
        prefix=PREFIX, style=assets.link(STYLE), script=assets.link(SCRIPT), **{"visitor": None, "here": "", **values}
    )
    return HTMLResponse(html, status, page_headers(image_origin))


def render_problem(problem: Problem) -> Response:
    """A refusal as a page, outside the pages of a signed-in operator."""
    kind = PROBLEM_TYPES[problem.code]
    response = render("problem.html", {"title": kind.title, "detail": problem.detail}, status=problem.status)
    response.headers.update(problem.headers)
    return response
