"""What the native surface answers, for its OpenAPI: the shapes with examples, and which refusals each route has."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from atelier_contracts import Kind
from atelier_contracts.value_objects import AudioFormat, ImageFormat, Priority, Role
from atelier_gateway.web.problems import PROBLEM_JSON, PROBLEM_ROOT, PROBLEM_TYPES

Responses = dict[int | str, dict[str, Any]]
ID = "01a1fc2b-e840-76c4-840b-55c1df4115f5"
AT = "2026-01-01T12:00:00+00:00"
Status = Literal["queued", "rendering", "succeeded", "failed", "cancelled", "expired", "rejected"]


class GenerationCredits(BaseModel):
    """Where the credits of a generation are; whole credits. ``returned``: of those captured, given back since."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reserved": 20, "captured": 10, "refunded": 10, "returned": 0}]}
    )

    reserved: int
    captured: int
    refunded: int
    returned: int


class GenerationOutput(BaseModel):
    """One delivered artefact; ``url`` and ``thumbnail`` (a WebP, its long side 256 pixels) are signed for 15 minutes.
    ``colours`` are its dominant ones, the most frequent first; audio has neither."""

    url: str
    key: str
    content_type: str
    width: int | None
    height: int | None
    checksum: str
    thumbnail: str | None
    colours: list[str]
    tags: list[str]


class ProviderModel(BaseModel):
    """Who made the outputs; ``model`` is null where the provider has no models by name."""

    provider: str
    model: str | None


class InputReference(BaseModel):
    """An input, by key or URL; what came in the body lies under a key."""

    role: Role
    key: str | None
    url: str | None


class Generation(BaseModel):
    """A generation: its request, its state, its cost. ``provider`` made it, or is the requested one before that,
    null where none was named; ``reused`` whether an equal earlier result was delivered."""

    id: UUID
    kind: Kind
    status: Status
    progress: int
    queue_position: int | None
    eta_s: int | None
    """Seconds from now to its end, as half of the like of it took."""
    eta_p90_s: int | None
    """Seconds in which nine of ten of the like of it were done."""
    provider: str | None
    asked_provider: str | None
    """As it was named."""
    model: str | None
    """As it was named."""
    successor: str | None
    """The model that makes it instead, where the one that was named is withdrawn; it costs the less of both prices."""
    made_by: ProviderModel | None
    """What made the outputs, once they are made."""
    prompt: str | None
    inputs: list[InputReference]
    size: str | None
    """As it is made; null where it follows from the inputs."""
    style: str | None
    quality: str | None
    format: ImageFormat | None
    n: int | None
    seed: int | None
    language: str | None
    audio_format: AudioFormat | None
    reuse: bool
    priority: Priority
    deadline_s: int | None
    webhook_url: str | None
    metadata: dict[str, str]
    """The client's own, as it stood in the request."""
    reused: bool
    credits: GenerationCredits
    outputs: list[GenerationOutput]
    error: dict[str, Any] | None
    created_at: datetime
    started_at: datetime | None
    """When its first render began."""
    ended_at: datetime | None
    links: dict[str, str]


class GenerationPage(BaseModel):
    """Generations, newest first."""

    data: list[Generation]
    next_cursor: str | None


class LedgerPosting(BaseModel):
    """Credits that moved from account ``debit`` to account ``credit``."""

    at: datetime
    kind: Literal["grant", "reserve", "capture", "refund", "expire", "return", "take_back"]
    debit: str
    credit: str
    credits: int


class CreditEntry(LedgerPosting):
    """A posting of the owner's account."""

    id: UUID
    generation_id: UUID | None


class CreditEntryPage(BaseModel):
    """Postings, newest first."""

    data: list[CreditEntry]
    next_cursor: str | None


class Quote(BaseModel):
    """What a create with this body would reserve."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"credits": 20, "price_book": "v2", "expires_at": AT}]})

    credits: int
    price_book: str
    expires_at: datetime


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


class TimelineStep(BaseModel):
    """One thing that happened."""

    at: datetime
    what: str


class GenerationTimeline(BaseModel):
    """The steps of a generation, in order."""

    id: UUID
    status: Status
    summary: str
    metadata: dict[str, str]
    steps: list[TimelineStep]
    is_complete: bool
    """False while a service does not answer: its steps are missing, ask again later."""


class Upload(BaseModel):
    """An upload. ``expires_at`` is null once something is made of it."""

    id: UUID
    key: str
    filename: str
    content_type: str
    size_bytes: int | None
    used: bool
    created_at: datetime
    expires_at: datetime | None


class UploadPage(BaseModel):
    """Uploads, newest first; ``next_cursor`` leads to older ones."""

    data: list[Upload]
    next_cursor: str | None


class UploadTarget(BaseModel):
    """Where to PUT the bytes, with which headers, and how to name them afterwards."""

    id: UUID
    key: str
    upload_url: str
    method: Literal["PUT"]
    headers: dict[str, str]
    url: str
    expires_at: datetime


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
