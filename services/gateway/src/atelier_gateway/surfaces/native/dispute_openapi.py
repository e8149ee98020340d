"""What the routes of disputes take and answer."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from atelier_contracts.value_objects import N_MAX
from atelier_gateway.disputes.rules import CheckName, CheckResult, Reason, Rule
from atelier_gateway.web.json_bodies import MultilineText, RequestBody
from atelier_gateway.web.openapi_responses import answers

DisputeStatus = Literal["refunding", "refunded", "declined", "review"]


class NewDispute(RequestBody):
    """What is wrong with which outputs. ``reason`` and ``text`` decide nothing: they are for an operator."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"reason": "blank", "text": "The picture is white.", "outputs": [0]}]}
    )

    reason: Reason
    text: Annotated[MultilineText, Field(max_length=2_000)] = ""
    outputs: Annotated[list[Annotated[int, Field(ge=0, lt=N_MAX)]], Field(min_length=1, max_length=N_MAX)] | None = None
    """Places in ``outputs`` of the generation, from 0; all of them where it is left out."""


class DisputeCheck(BaseModel):
    """One question put to an output, and what was found."""

    name: CheckName
    result: CheckResult
    details: str


class DisputeEvidence(BaseModel):
    """The checks of one output, by its place from 0."""

    output: int
    checks: list[DisputeCheck]


class Dispute(BaseModel):
    """A dispute. ``review``: an operator decides; ``refunding``: the return is decided and being posted. ``credits``
    are those returned; ``note`` is an operator's reason."""

    id: UUID
    test: bool
    """Whether it is of a generation that was made with a test key."""
    generation_id: UUID
    status: DisputeStatus
    reason: Reason
    text: str
    outputs: list[int]
    credits: int
    rule: Rule
    explanation: str
    evidence: list[DisputeEvidence]
    note: str | None
    created_at: datetime
    decided_at: datetime | None


class DisputeList(BaseModel):
    """The disputes of a generation, the oldest first."""

    data: list[Dispute]


DISPUTED = answers(
    {
        201: ("It is decided, or left to an operator.", Dispute),
        200: ("The same dispute is on record already; as it is now.", Dispute),
    },
    *("invalid_request", "invalid_idempotency_key", "not_found", "conflict", "request_in_progress"),
    *("idempotency_key_reused", "endpoint_off"),
)
DISPUTES = answers({200: ("With their evidence.", DisputeList)}, "not_found")
