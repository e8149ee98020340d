"""What the operators' routes of generations answer, for the OpenAPI."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from atelier_contracts import Owner
from atelier_gateway.projection.snapshot import RANKS
from atelier_gateway.surfaces.admin.openapi import BODY, made, refusals
from atelier_gateway.surfaces.admin.responses import LIST_DEFAULT, LIST_MAX
from atelier_gateway.web.json_bodies import MultilineText, RequestBody
from atelier_gateway.web.openapi_responses import CURSOR, Responses, query

OPEN = "open"
STATES = (OPEN, *RANKS)
AGE_S_MAX = 365 * 86_400


class GenerationCancellation(RequestBody):
    """Why an operator cancels a generation; its owner does not see it."""

    reason: MultilineText = Field(min_length=1, max_length=500)


class GenerationRerender(RequestBody):
    """Why a generation is made once more for free; its owner sees it beside the return of the charge."""

    reason: MultilineText = Field(min_length=1, max_length=500)


class RerenderedGeneration(BaseModel):
    """The new generation. Its price is held and charged as any other's, and given back once it has ended."""

    id: UUID
    rerender_of: UUID
    price: int


class RerenderLink(BaseModel):
    """A generation that was made once more. ``state``: ``open`` until the new one has ended, then ``returned`` (its
    charge is given back) or ``uncharged``."""

    generation_id: UUID
    original_id: UUID
    reason: str
    operator: str
    state: Literal["open", "returned", "uncharged"]
    created_at: datetime


class GenerationCredits(BaseModel):
    """Its credits as its events said."""

    reserved: int
    captured: int
    refunded: int
    returned: int


class OperatorGeneration(BaseModel):
    """A generation as it is listed for operators."""

    id: UUID
    owner: Owner
    kind: str
    surface: str
    state: str
    progress: int
    price: int
    credits: GenerationCredits
    error: dict[str, Any] | None
    provider: str | None
    """Who made the outputs, or who is requested for them by name."""
    model: str | None
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    updated_at: datetime
    request_id: str | None
    trace_id: str | None


class OperatorOutput(BaseModel):
    """An output; its addresses hold for some minutes."""

    url: str
    thumbnail: str | None
    content_type: str
    checksum: str


class OperatorGenerationDetails(OperatorGeneration):
    """A generation with what its client requested and what was made."""

    request: dict[str, Any]
    outputs: list[OperatorOutput]
    rerenders: list[RerenderLink]


class OperatorReceipt(BaseModel):
    """What billing signed."""

    receipt: dict[str, Any]
    signature: dict[str, Any]


class OperatorGenerationPage(BaseModel):
    """A page of generations. It may be short, or empty, and still have a next one: a page looks at a bounded number of
    rows, and ``next_cursor`` leads on from there."""

    data: list[OperatorGeneration]
    next_cursor: UUID | None


LISTED: Responses = {200: made(OperatorGenerationPage, "The page"), **refusals("invalid_request")}
FOUND: Responses = {200: made(OperatorGenerationDetails, "The generation"), **refusals("not_found")}
RECEIPT: Responses = {200: made(OperatorReceipt, "The receipt"), **refusals("not_found")}
CANCELLED: Responses = {
    200: made(OperatorGeneration, "As it is now; it may still be stopping"),
    **refusals(*BODY, "not_found", "conflict"),
}
RERENDERED: Responses = {
    201: made(RerenderedGeneration, "Ordered"),
    **refusals(
        *BODY, "invalid_idempotency_key", "insufficient_credits", "not_found", "conflict", "idempotency_key_reused"
    ),
}
_UUID = {"type": "string", "format": "uuid"}
LIMIT = query(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": LIST_MAX, "default": LIST_DEFAULT},
    "The most entries that a page holds.",
)
PAGED: dict[str, Any] = {
    "parameters": [
        query("state", {"type": "string", "enum": list(STATES)}, "Only these; `open`, oldest first: all not ended."),
        query("kind", {"type": "string"}, "Only this kind of work, as `try_on`."),
        query("surface", {"type": "string"}, "Only what came over this surface."),
        query("owner_kind", {"type": "string", "enum": ["store", "user", "workspace"]}, "With `owner_id`."),
        query("owner_id", _UUID, "Only those of this account."),
        query("older_than_s", {"type": "integer"}, "With `state=open`: accepted at least so many seconds ago."),
        LIMIT,
        CURSOR,
    ]
}
