"""What the overview and the search of an installation answer, for the OpenAPI."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel

from atelier_contracts import Owner
from atelier_gateway.surfaces.admin.openapi import made, refusals
from atelier_gateway.web.openapi_responses import Responses, query

QUERY_CHARS_MAX = 320
Service = Literal["gateway", "session", "billing", "render"]


class RecentGenerations(BaseModel):
    """Generations accepted within the last ``seconds``, by the state they have now."""

    seconds: int
    accepted: int
    by_state: dict[str, int]


class OpenState(BaseModel):
    """How many generations are in a state that is not the end, and the one that has been for the longest.

    ``resent``: of how many the session had to repeat its command; a refund that keeps failing is one."""

    state: str
    number: int
    oldest_id: UUID
    oldest_s: float
    resent: int


class BusyOwner(BaseModel):
    """An owner with generations in flight, how many of them wait for a worker, and the age of the oldest."""

    owner: Owner
    number: int
    waiting: int
    oldest_s: float


class ServiceStanding(BaseModel):
    """One service. ``outbox_pending``: messages that no broker has confirmed; ``reason``: why it does not answer."""

    service: Service
    answers: bool
    reason: str | None
    outbox_pending: int | None


class ProviderStanding(BaseModel):
    """One provider. ``breaker``: whether it is used at all; ``exposure_micros``: the most that submissions with an
    unknown outcome may cost, in millionths of the currency; ``outcomes``: of calls since its process started."""

    provider: str
    breaker: Literal["closed", "half-open", "open", "unknown"]
    exposure_micros: int
    exposed_submissions: int
    reconciling: int
    outcomes: dict[str, int]


class LogStanding(BaseModel):
    """The log of charges as billing's last verification found it; null where billing does not say."""

    verified_at: datetime | None
    failed: bool | None
    contradicted: bool | None
    stores_behind: list[str]


class Overview(BaseModel):
    """The installation now. What a service that does not answer would say is null or absent, and ``services`` names
    it. Open states are the session's; where it is silent, the gateway's own (``open_source``)."""

    at: datetime
    recent: RecentGenerations
    open: list[OpenState]
    open_source: Literal["session", "gateway"]
    busiest: list[BusyOwner]
    """Who has most in flight, ten at most, as the gateway has it."""
    services: list[ServiceStanding]
    render_jobs: dict[str, int]
    providers: list[ProviderStanding]
    findings: dict[str, int] | None
    log: LogStanding


class SearchHit(BaseModel):
    """Something that was found; ``parent_id``: the store of a key, the generation of a dispute or a delivery."""

    kind: Literal["generation", "store", "user", "workspace", "key", "operator", "dispute", "delivery", "request"]
    id: UUID
    title: str
    parent_id: UUID | None


class SearchResult(BaseModel):
    """What was found. ``read_as`` says what the text was taken for; ``scanned`` is how many of the newest generations
    were looked through where there is no index, else null; ``missing``: who was asked and did not answer."""

    data: list[SearchHit]
    read_as: list[str]
    scanned: int | None
    missing: list[str]


OVERVIEW: Responses = {200: made(Overview, "Now"), **refusals()}
FOUND: Responses = {200: made(SearchResult, "What was found"), **refusals("invalid_request")}
SEARCH: dict[str, Any] = {
    "parameters": [
        query(
            "q",
            {"type": "string", "minLength": 1, "maxLength": QUERY_CHARS_MAX},
            "An id of anything, an e-mail address, a key or its prefix, a request id (ours or a provider's), a "
            "trace id, a delivery, a value of a "
            "generation's metadata, or a part of a store's or workspace's name.",
        )
    ]
}
