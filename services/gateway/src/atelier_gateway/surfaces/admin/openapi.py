"""What the admin API answers, for its OpenAPI: the shapes, and which refusals each route has."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from atelier_contracts import Owner
from atelier_gateway.surfaces.native.openapi import CURSOR, LIMIT, Balance, ProblemView, Responses, example, query
from atelier_gateway.web.problems import KINDS, PROBLEM_JSON


class StoreCreated(BaseModel):
    """A store with its first key; the key is shown now and never again."""

    id: UUID
    name: str
    key_id: UUID
    api_key: str


class StoreView(BaseModel):
    """A store; a suspended one gets 403 everywhere."""

    id: UUID
    name: str
    created_at: datetime
    suspended_at: datetime | None


class KeyCreated(BaseModel):
    """A further key; shown now and never again."""

    id: UUID
    name: str
    api_key: str


class KeyView(BaseModel):
    """A key without its secret. ``last_used_at`` is true to a minute."""

    id: UUID
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class PersonView(BaseModel):
    """A user as they are listed."""

    id: UUID
    email: str
    disabled: bool
    created_at: datetime


class ListedWorkspace(BaseModel):
    """A workspace as it is listed; its members have a list of their own."""

    id: UUID
    name: str
    created_at: datetime


class WorkspacePage(BaseModel):
    """Workspaces, newest first."""

    data: list[ListedWorkspace]
    next_cursor: UUID | None


class StorePage(BaseModel):
    """Stores, newest first."""

    data: list[StoreView]
    next_cursor: UUID | None


class KeyPage(BaseModel):
    """Keys, newest first."""

    data: list[KeyView]
    next_cursor: UUID | None


class PersonPage(BaseModel):
    """Users, newest first."""

    data: list[PersonView]
    next_cursor: UUID | None


class UserView(BaseModel):
    """A user."""

    id: UUID
    email: str


class TokenView(BaseModel):
    """A token of the built-in development issuer."""

    token: str


class UserState(BaseModel):
    """Whether a user is shut out."""

    id: UUID
    disabled: bool


class WorkspaceView(BaseModel):
    """A workspace and who may act for it."""

    id: UUID
    name: str
    member_ids: list[UUID]


class GrantView(BaseModel):
    """Credits given; ``available`` is null while billing has not answered. ``given_before``: this very grant was on
    the books already (its key was used more than a day ago), and nothing was given now."""

    id: UUID
    owner: Owner
    credits: int
    available: int | None
    given_before: bool


class Proof(BaseModel):
    """A full proof of the books: ``checked`` of ``total`` rows so far, and each thing that is not right."""

    id: UUID
    state: Literal["running", "passed", "failed"]
    step: Literal["balances", "holds", "postings", "done"]
    checked: int
    total: int
    accounts: int
    entries: int
    violations: list[str]
    started_at: datetime
    ended_at: datetime | None


class Verdict(BaseModel):
    """Whether the books are right, and each thing that is not. ``unproven`` entries came after the last checkpoint."""

    ok: bool
    accounts: int
    entries: int
    violations: list[str]
    unproven: int
    full_proof: Proof | None


class Step(BaseModel):
    """One thing that happened; further members tell the message or the posting."""

    at: datetime
    service: Literal["gateway", "session", "billing", "render"]
    what: str


class Gap(BaseModel):
    """A service that did not answer, why, and what the story lacks for it."""

    service: Literal["session", "billing", "render"]
    reason: str
    lacks: str


class Story(BaseModel):
    """A generation's story across all four services, in order; told by the services that answer."""

    id: UUID
    summary: str
    state: str
    steps: list[Step]
    missing: list[Gap]
    owner: Owner | None
    trace_id: str | None
    request_id: str | None
    in_state_s: float | None
    """Seconds in its present state."""
    deadline_at: datetime | None
    next_timer_at: datetime | None
    """When the saga acts by itself if it hears nothing; null when it has ended."""


def refusals(*codes: str) -> Responses:
    """The problems of these codes, and those that every route of this surface can answer."""
    documented: Responses = {}
    for code in (*codes, "unauthorized", "role_required", "rate_limited", "internal_error", "unavailable"):
        kind = KINDS[code]
        content = {"schema": ProblemView.model_json_schema(), "examples": {code: {"value": example(code)}}}
        documented[kind.status] = {"description": f"{kind.title}.", "content": {PROBLEM_JSON: content}}
    return documented


def made(model: type[BaseModel], what: str) -> dict[str, Any]:
    """An answer with a body of this shape."""
    return {"model": model, "description": what}


BODY = ("invalid_request", "request_too_large")
STORE_CREATED: Responses = {201: made(StoreCreated, "The store"), **refusals(*BODY)}
STORE: Responses = {200: made(StoreView, "The store"), **refusals("not_found")}
STORE_CHANGED: Responses = {200: made(StoreView, "The store as it is now"), **refusals(*BODY, "not_found")}
STORES: Responses = {200: made(StorePage, "Newest first"), **refusals("invalid_request")}
KEYS: Responses = {200: made(KeyPage, "Newest first"), **refusals("invalid_request", "not_found")}
NEW_KEY: Responses = {201: made(KeyCreated, "The key"), **refusals(*BODY, "not_found", "conflict")}
NO_KEY: Responses = {204: {"description": "Revoked, effective within 5 s"}, **refusals("not_found")}
USERS: Responses = {200: made(PersonPage, "Newest first"), **refusals("invalid_request")}
WORKSPACES: Responses = {200: made(WorkspacePage, "Newest first"), **refusals("invalid_request")}
MEMBERS: Responses = {200: made(PersonPage, "Newest first"), **refusals("invalid_request", "not_found")}
MEMBER_ADDED: Responses = {204: {"description": "They belong to it"}, **refusals("not_found")}
MEMBER_REMOVED: Responses = {204: {"description": "Removed, effective within 5 s"}, **refusals("not_found")}
PAGED: dict[str, Any] = {"parameters": [LIMIT, CURSOR]}
EMAIL = query("email", {"type": "string"}, "The user with this e-mail address, in whatever case.")
MEMBER = query("member", {"type": "string", "format": "uuid"}, "Those that this user belongs to.")
WORKSPACES_PAGED: dict[str, Any] = {"parameters": [MEMBER, LIMIT, CURSOR]}
USERS_PAGED: dict[str, Any] = {"parameters": [EMAIL, LIMIT, CURSOR]}
USER: Responses = {201: made(UserView, "The user"), **refusals(*BODY, "conflict")}
TOKEN: Responses = {201: made(TokenView, "The token"), **refusals("not_found", "conflict")}
USER_STATE: Responses = {200: made(UserState, "The user as it is now"), **refusals(*BODY, "not_found")}
WORKSPACE: Responses = {201: made(WorkspaceView, "The workspace"), **refusals(*BODY, "not_found")}
GRANT: Responses = {
    201: made(GrantView, "Given"),
    202: made(GrantView, "Accepted; billing will post it"),
    **refusals(*BODY, "not_found", "request_in_progress", "idempotency_key_reused"),
}
BALANCE: Responses = {200: made(Balance, "The account"), **refusals("not_found")}
VERIFIED: Responses = {200: made(Verdict, "What was checked and found"), **refusals()}
PROOF_ORDERED: Responses = {202: made(Proof, "Ordered, or running already"), **refusals()}
PROOF: Responses = {200: made(Proof, "How far it is"), **refusals("not_found")}
EXPLAINED: Responses = {200: made(Story, "The story"), **refusals("not_found")}
