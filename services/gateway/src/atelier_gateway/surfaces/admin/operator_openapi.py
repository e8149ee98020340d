"""What the routes of operators and their acts answer, for the OpenAPI."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from atelier_gateway.identity.operator_store import Role
from atelier_gateway.surfaces.admin.openapi import ACT, BODY, made, refusals
from atelier_gateway.web.openapi_responses import CURSOR, LIMIT, Responses, query


class Operator(BaseModel):
    """An operator. ``prefix`` begins their token; ``last_used_at`` is true to a minute."""

    id: UUID
    name: str
    role: Role
    prefix: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


class OperatorWithToken(Operator):
    """An operator with their token, which is shown now and never again."""

    token: str


class OperatorPage(BaseModel):
    """Operators, newest first."""

    data: list[Operator]
    next_cursor: UUID | None


class OperatorActTarget(BaseModel):
    """What was acted on; no id where it is the whole installation's."""

    kind: str
    id: UUID | None


class OperatorActAuthor(BaseModel):
    """Who acted, by the name they had then."""

    id: UUID
    name: str


class OperatorAct(BaseModel):
    """One act of an operator."""

    id: UUID
    at: datetime
    act: str
    target: OperatorActTarget
    operator: OperatorActAuthor
    request_id: str
    details: dict[str, Any]


class OperatorActPage(BaseModel):
    """Acts, newest first."""

    data: list[OperatorAct]
    next_cursor: UUID | None


OPERATORS: Responses = {200: made(OperatorPage, "Newest first"), **refusals("invalid_request")}
OPERATOR: Responses = {200: made(Operator, "You"), **refusals("not_found")}
OPERATOR_CREATED: Responses = {201: made(OperatorWithToken, "The operator"), **refusals(*BODY)}
OPERATOR_CHANGED: Responses = {
    200: made(Operator, "The operator as they are now"),
    **refusals(*BODY, "not_found", "conflict"),
}
OPERATOR_REVOKED: Responses = {
    204: {"description": "Revoked, effective within 5 s"},
    **refusals(ACT, "not_found", "conflict"),
}
OPERATOR_TOKEN: Responses = {
    201: made(OperatorWithToken, "The operator with their new token"),
    **refusals(ACT, "not_found", "conflict"),
}
ACTS: Responses = {200: made(OperatorActPage, "Newest first"), **refusals("invalid_request")}
ACTS_PAGED: dict[str, Any] = {
    "parameters": [
        query("act", {"type": "string"}, "Only these, as `store.suspend` or `credits.grant`."),
        query("target", {"type": "string", "format": "uuid"}, "Only those on the store, user, … with this id."),
        query("operator", {"type": "string", "format": "uuid"}, "Only those of this operator."),
        LIMIT,
        CURSOR,
    ]
}
