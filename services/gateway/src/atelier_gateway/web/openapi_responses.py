"""Parts of the OpenAPI documents that several surfaces use: answers with their problems, parameters, headers."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict

from atelier_gateway.web.problems import PROBLEM_JSON, PROBLEM_ROOT, PROBLEM_TYPES

Responses = dict[int | str, dict[str, Any]]
ID = "01a1fc2b-e840-76c4-840b-55c1df4115f5"
AT = "2026-01-01T12:00:00+00:00"


class ProviderModel(BaseModel):
    """Who made the outputs; ``model`` is null where the provider has no models by name."""

    provider: str
    model: str | None


class CreditBalance(BaseModel):
    """The account; ``granted`` is all that was ever given."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"available": 80, "held": 0, "captured": 20, "granted": 100, "expired": 0}]}
    )

    available: int
    held: int
    captured: int
    granted: int
    expired: int


class Problem(BaseModel):
    """RFC 9457; ``code`` is the last part of ``type``. Some problems have further members."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    code: str


def answers(given: Mapping[int, tuple[str, type[BaseModel] | None]], *codes: str) -> Responses:
    """The ``responses=`` of a route: what it gives, and the problems it refuses with; all routes can meet the last."""
    return public_answers(given, *codes, "unauthorized", "account_disabled", "workspace_forbidden")


def public_answers(given: Mapping[int, tuple[str, type[BaseModel] | None]], *codes: str) -> Responses:
    """As ``answers``, for a route that takes no credential."""
    documented: Responses = {status: _given(what, model) for status, (what, model) in given.items()}
    for code in (*codes, *ANYWHERE):
        status = PROBLEM_TYPES[code].status
        known = documented.setdefault(status, _refused())
        known["content"][PROBLEM_JSON]["examples"][code] = {"value": example(code)}
        known["description"] = f"{known['description']} {PROBLEM_TYPES[code].title}.".strip()
    return documented


ANYWHERE = ("rate_limited", "internal_error", "unavailable")


def example(code: str) -> dict[str, Any]:
    """A problem of this code as it looks on the wire."""
    status, title = PROBLEM_TYPES[code]
    return {"type": f"{PROBLEM_ROOT}/{code}", "title": title, "status": status, "detail": f"{title}.", "code": code}


def query(name: str, schema: Mapping[str, Any], what: str) -> dict[str, Any]:
    """A query parameter of a route that reads it itself."""
    return {"name": name, "in": "query", "required": False, "schema": dict(schema), "description": what}


def header(name: str, schema: Mapping[str, Any], what: str) -> dict[str, Any]:
    """A header of a route that reads it itself."""
    return {"name": name, "in": "header", "required": False, "schema": dict(schema), "description": what}


LIMIT = query(
    "limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "The most entries that a page holds."
)
CURSOR = query("cursor", {"type": "string"}, "The `next_cursor` of the previous page; absent for the first.")
KEY = header(
    "Idempotency-Key",
    {"type": "string", "pattern": "^[\\x21-\\x7e]{1,255}$"},
    "The same key gives the same answer for 24 hours.",
)
WORKSPACE = header("X-Workspace-Id", {"type": "string"}, "A user acts for this workspace.")


def _given(what: str, model: type[BaseModel] | None) -> dict[str, Any]:
    return {"description": what} | ({"model": model} if model else {})


def _refused() -> dict[str, Any]:
    content = {"schema": Problem.model_json_schema(), "examples": {}}
    return {"description": "", "content": {PROBLEM_JSON: content}}
