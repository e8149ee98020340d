"""What the routes of caps answer, for the OpenAPI."""

from uuid import UUID

from pydantic import BaseModel

from atelier_gateway.surfaces.admin.openapi import ACT, BODY, made, refusals
from atelier_gateway.web.openapi_responses import CapPage, Responses, SpendingCap


class CapOrder(BaseModel):
    """A cap that billing has not set or removed yet."""

    id: UUID


ORDERED = made(CapOrder, "Accepted; billing will do it")
CAPS: Responses = {200: made(CapPage, "In the order of their ids"), **refusals("invalid_request", "not_found")}
CAP_SET: Responses = {200: made(SpendingCap, "As it is now"), 202: ORDERED, **refusals(*BODY, "not_found")}
CAP_REMOVED: Responses = {204: {"description": "There is none now"}, 202: ORDERED, **refusals(ACT, "not_found")}
