"""Parts of the OpenAPI documents that several surfaces use: answers with their problems, parameters, headers."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, JsonValue

from atelier_gateway.web.problems import PROBLEM_JSON, PROBLEM_ROOT, PROBLEM_TYPES

Responses = dict[int | str, dict[str, Any]]
ID = "01a1fc2b-e840-76c4-840b-55c1df4115f5"
AT = "2026-01-01T12:00:00+00:00"
CAP: dict[str, JsonValue] = {
    "id": "5d0a9f3e-6c7f-5b0e-9d5e-2f8d0a4f7c11",
    "owner": {"kind": "store", "id": ID},
    "spender": {"kind": "key", "id": "01a1fc2b-e840-76c4-840b-55c1df4115f6"},
    "period": "day",
    "credits": 100,
    "held": 4,
    "captured": 93,
    "remaining": 3,
    "since": "2026-01-01T00:00:00Z",
    "renews_at": "2026-01-02T00:00:00Z",
}


class ProviderModel(BaseModel):
    """Who made the outputs; ``model`` is null where the provider has no models by name."""

    provider: str
    model: str | None


class CreditBalance(BaseModel):
    """The account; ``granted`` is all that was ever given."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"available": 80, "held": 0, "captured": 20, "granted": 100, "expired": 0}]}
    )

    test: bool = False
    """Whether they are test credits."""
    available: int
    held: int
    captured: int
    granted: int
    expired: int


class CapSpender(BaseModel):
    """Whose spending a cap bounds: the account (``store``, ``user``, ``workspace``), an API ``key`` of it, or a
    ``user`` who acts for it."""

    kind: str
    id: UUID


class SpendingCap(BaseModel):
    """The most credits that a spender may have held and captured in a period of UTC, and how many count now.
    ``remaining`` may still be spent; ``renews_at`` is null for a total."""

    model_config = ConfigDict(json_schema_extra={"examples": [CAP]})

    id: UUID
    owner: CapSpender
    """The account that pays."""
    spender: CapSpender
    period: Literal["day", "month", "total"]
    credits: int
    held: int
    captured: int
    remaining: int
    since: datetime | None
    renews_at: datetime | None


class CapPage(BaseModel):
    """Caps, in the order of their ids."""

    data: list[SpendingCap]
    next_cursor: UUID | None


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


OF_CLIENT_TOKENS = ("token_scope", "origin_refused")
"""The refusals of a route that takes client tokens."""
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
