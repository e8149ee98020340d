"""What the routes of reconciliation answer, for the OpenAPI."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from atelier_gateway.surfaces.admin.openapi import ACT, BODY, made, refusals
from atelier_gateway.web.openapi_responses import CURSOR, LIMIT, Responses, query


class ReconcileRun(BaseModel):
    """A comparison of the services' records: ``checked`` generations so far, ``in_flight`` of them left for the next
    run because they were changing, and ``found`` disagreements. A full run compares ``objects`` artefacts with a
    listing of the object store before that."""

    id: UUID
    scope: Literal["recent", "full", "bytes"]
    state: Literal["running", "ended"]
    checked: int
    in_flight: int
    found: int
    objects: int
    started_at: datetime
    ended_at: datetime | None


class ReconcileFinding(BaseModel):
    """A disagreement between the services' records. ``subject`` is the generation, or what a line of the ledger's
    verification names; ``repair`` is the command that was sent for it, and why."""

    id: UUID
    kind: str
    subject: UUID
    details: str
    first_seen_at: datetime
    last_seen_at: datetime
    repair: str | None
    repaired_at: datetime | None
    resolved_at: datetime | None
    resolved_by: str | None


class ReconcileFindingPage(BaseModel):
    """Findings, newest first."""

    data: list[ReconcileFinding]
    next_cursor: UUID | None


class ReconcileRepairs(BaseModel):
    """A sentence for each command that was sent."""

    sent: list[str]


RUN_STARTED: Responses = {202: made(ReconcileRun, "Started, or running already"), **refusals(*BODY)}
RUN: Responses = {200: made(ReconcileRun, "How far it is"), **refusals("not_found")}
FINDINGS: Responses = {200: made(ReconcileFindingPage, "Newest first"), **refusals("invalid_request")}
REPAIRS: Responses = {202: made(ReconcileRepairs, "Sent; the services carry them out"), **refusals(ACT)}
RESOLVED = query("resolved", {"type": "boolean"}, "`true`: also findings whose records agree again.")
FINDINGS_PAGED: dict[str, Any] = {"parameters": [RESOLVED, LIMIT, CURSOR]}
