"""What the admin API answers, for its OpenAPI: the shapes, and which refusals each route has."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from atelier_contracts import Owner
from atelier_gateway.web.openapi_responses import CURSOR, LIMIT, CreditBalance, Problem, Responses, example, query
from atelier_gateway.web.problems import PROBLEM_JSON, PROBLEM_TYPES


class StoreWithKey(BaseModel):
    """A store with its first key; the key is shown now and never again."""

    id: UUID
    name: str
    key_id: UUID
    api_key: str


class Store(BaseModel):
    """A store; a suspended one gets 403 everywhere."""

    id: UUID
    name: str
    created_at: datetime
    suspended_at: datetime | None


class ApiKeyWithSecret(BaseModel):
    """A further key; shown now and never again."""

    id: UUID
    name: str
    test: bool
    api_key: str


class ApiKey(BaseModel):
    """A key without its secret. ``last_used_at`` is true to a minute."""

    id: UUID
    name: str
    prefix: str
    test: bool
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class User(BaseModel):
    """A user as they are listed."""

    id: UUID
    email: str
    disabled: bool
    created_at: datetime


class WorkspaceSummary(BaseModel):
    """A workspace as it is listed; its members have a list of their own."""

    id: UUID
    name: str
    created_at: datetime


class WorkspacePage(BaseModel):
    """Workspaces, newest first."""

    data: list[WorkspaceSummary]
    next_cursor: UUID | None


class StorePage(BaseModel):
    """Stores, newest first."""

    data: list[Store]
    next_cursor: UUID | None


class ApiKeyPage(BaseModel):
    """Keys, newest first."""

    data: list[ApiKey]
    next_cursor: UUID | None


class UserPage(BaseModel):
    """Users, newest first."""

    data: list[User]
    next_cursor: UUID | None


class UserIdentity(BaseModel):
    """A user."""

    id: UUID
    email: str


class UserToken(BaseModel):
    """A token of the built-in development issuer."""

    token: str


class UserStatus(BaseModel):
    """Whether a user is shut out."""

    id: UUID
    disabled: bool


class Workspace(BaseModel):
    """A workspace and who may act for it."""

    id: UUID
    name: str
    member_ids: list[UUID]


class CreditGrant(BaseModel):
    """Credits given; ``available`` is null while billing has not answered. ``given_before``: this very grant was on
    the books already (its key was used more than a day ago), and nothing was given now."""

    id: UUID
    owner: Owner
    credits: int
    available: int | None
    given_before: bool


class LedgerProof(BaseModel):
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


class LedgerVerification(BaseModel):
    """Whether the books are right, and each thing that is not. ``unproven`` entries came after the last checkpoint."""

    ok: bool
    accounts: int
    entries: int
    violations: list[str]
    unproven: int
    full_proof: LedgerProof | None


class OperatorTimelineStep(BaseModel):
    """One thing that happened; further members describe the message or the posting."""

    at: datetime
    service: Literal["gateway", "session", "billing", "render"]
    what: str


class TimelineGap(BaseModel):
    """A service that did not answer, why, and what the story lacks for it."""

    service: Literal["session", "billing", "render"]
    reason: str
    lacks: str


class OperatorTimeline(BaseModel):
    """A generation's timeline across all four services, in order; from the services that answer."""

    id: UUID
    summary: str
    state: str
    steps: list[OperatorTimelineStep]
    missing: list[TimelineGap]
    owner: Owner | None
    trace_id: str | None
    request_id: str | None
    in_state_s: float | None
    """Seconds in its present state."""
    deadline_at: datetime | None
    next_timer_at: datetime | None
    """When the saga acts by itself without news; null when it has ended."""


def refusals(*codes: str) -> Responses:
    """The problems of these codes, and those that every route of this surface can answer."""
    documented: Responses = {}
    for code in (*codes, "unauthorized", "role_required", "rate_limited", "internal_error", "unavailable"):
        kind = PROBLEM_TYPES[code]
        content = {"schema": Problem.model_json_schema(), "examples": {code: {"value": example(code)}}}
        documented[kind.status] = {"description": f"{kind.title}.", "content": {PROBLEM_JSON: content}}
    return documented


def made(model: type[BaseModel], what: str) -> dict[str, Any]:
    """An answer with a body of this shape."""
    return {"model": model, "description": what}


ACT = "invalid_request"
"""Of every act, also of one without a body: the header of the reason may be refused."""
BODY = (ACT, "request_too_large")
STORE_CREATED: Responses = {201: made(StoreWithKey, "The store"), **refusals(*BODY)}
STORE: Responses = {200: made(Store, "The store"), **refusals("not_found")}
STORE_CHANGED: Responses = {200: made(Store, "The store as it is now"), **refusals(*BODY, "not_found")}
STORES: Responses = {200: made(StorePage, "Newest first"), **refusals("invalid_request")}
KEYS: Responses = {200: made(ApiKeyPage, "Newest first"), **refusals("invalid_request", "not_found")}
NEW_KEY: Responses = {201: made(ApiKeyWithSecret, "The key"), **refusals(*BODY, "not_found", "conflict")}
NO_KEY: Responses = {204: {"description": "Revoked, effective within 5 s"}, **refusals(ACT, "not_found")}
ONE_USER: Responses = {200: made(User, "The user"), **refusals("not_found")}
ONE_WORKSPACE: Responses = {200: made(WorkspaceSummary, "The workspace"), **refusals("not_found")}
USERS: Responses = {200: made(UserPage, "Newest first"), **refusals("invalid_request")}
WORKSPACES: Responses = {200: made(WorkspacePage, "Newest first"), **refusals("invalid_request")}
MEMBERS: Responses = {200: made(UserPage, "Newest first"), **refusals("invalid_request", "not_found")}
MEMBER_ADDED: Responses = {204: {"description": "They belong to it"}, **refusals(ACT, "not_found")}
MEMBER_REMOVED: Responses = {204: {"description": "Removed, effective within 5 s"}, **refusals(ACT, "not_found")}
PAGED: dict[str, Any] = {"parameters": [LIMIT, CURSOR]}
EMAIL = query("email", {"type": "string"}, "The user with this e-mail address, in whatever case.")
MEMBER = query("member", {"type": "string", "format": "uuid"}, "Those that this user belongs to.")
WORKSPACES_PAGED: dict[str, Any] = {"parameters": [MEMBER, LIMIT, CURSOR]}
USERS_PAGED: dict[str, Any] = {"parameters": [EMAIL, LIMIT, CURSOR]}
USER: Responses = {201: made(UserIdentity, "The user"), **refusals(*BODY, "conflict")}
TOKEN: Responses = {201: made(UserToken, "The token"), **refusals(ACT, "not_found", "conflict")}
USER_STATE: Responses = {200: made(UserStatus, "The user as it is now"), **refusals(*BODY, "not_found")}
WORKSPACE: Responses = {201: made(Workspace, "The workspace"), **refusals(*BODY, "not_found")}
GRANT: Responses = {
    201: made(CreditGrant, "Given"),
    202: made(CreditGrant, "Accepted; billing will post it"),
    **refusals(*BODY, "not_found", "request_in_progress", "idempotency_key_reused"),
}
BALANCE: Responses = {200: made(CreditBalance, "The account"), **refusals("not_found")}
VERIFIED: Responses = {200: made(LedgerVerification, "What was checked and found"), **refusals()}
PROOF_ORDERED: Responses = {202: made(LedgerProof, "Ordered, or running already"), **refusals(ACT)}
PROOF: Responses = {200: made(LedgerProof, "How far it is"), **refusals("not_found")}
EXPLAINED: Responses = {200: made(OperatorTimeline, "The story"), **refusals("not_found")}
