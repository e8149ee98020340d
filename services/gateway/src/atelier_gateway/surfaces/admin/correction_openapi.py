"""What the routes of corrections answer, for the OpenAPI."""

from typing import Literal
from uuid import UUID

from pydantic import BaseModel

from atelier_contracts import Owner
from atelier_gateway.surfaces.admin.openapi import BODY, made, refusals
from atelier_gateway.web.openapi_responses import Responses


class CreditCorrection(BaseModel):
    """A charge returned, or a grant taken back. ``credits`` is how many it moved and ``available`` what the owner has
    now; both are null while billing has not answered. ``corrected_before``: this very correction was on the books
    already, and nothing moved now."""

    id: UUID
    kind: Literal["return", "take_back"]
    owner: Owner | None
    generation_id: UUID | None
    grant_id: UUID | None
    credits: int | None
    available: int | None
    corrected_before: bool


CORRECTED: Responses = {
    201: made(CreditCorrection, "Posted"),
    202: made(CreditCorrection, "Accepted; billing will post it"),
    **refusals(*BODY, "not_found", "conflict", "request_in_progress", "idempotency_key_reused"),
}
