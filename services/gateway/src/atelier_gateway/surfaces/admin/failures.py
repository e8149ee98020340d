"""Routes for operators: what failed and why, and whose requests were refused."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, get_args
from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel
from starlette.responses import Response

from atelier_contracts import Owner
from atelier_contracts.value_objects import OwnerKind
from atelier_gateway.container import Container
from atelier_gateway.identity import refusal_store
from atelier_gateway.projection.failure_report import SCAN_MAX, report_failures
from atelier_gateway.surfaces.admin.access import operators_routes
from atelier_gateway.surfaces.admin.openapi import made, refusals
from atelier_gateway.surfaces.admin.requests import id_in
from atelier_gateway.surfaces.admin.responses import list_response
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.openapi_responses import CURSOR, LIMIT, Responses, query
from atelier_gateway.web.periods import FROM, TO, parse_period
from atelier_gateway.web.problems import field_problem

KINDS = get_args(OwnerKind)


class FailureCause(BaseModel):
    """Generations that failed alike; ``message`` is the newest one's, ``newest`` names a few of them."""

    state: str
    code: str | None
    kind: str
    provider: str | None
    number: int
    owners: int
    first_at: datetime
    last_at: datetime
    newest: list[UUID]
    message: str | None


class FailureReport(BaseModel):
    """Failures of generations accepted in the period, by cause, the most frequent first. ``is_whole``: whether all of
    them were looked at, not just the newest."""

    since: datetime
    until: datetime
    scanned: int
    is_whole: bool
    data: list[FailureCause]


class Refusal(BaseModel):
    """Requests of an owner that were refused alike within an hour; ``detail`` and ``request_id`` are the last one's."""

    id: UUID
    owner: Owner
    hour: datetime
    surface: str
    code: str
    number: int
    last_at: datetime
    detail: str
    request_id: str


class RefusalPage(BaseModel):
    """Refusals, those of the newest hour first."""

    data: list[Refusal]
    next_cursor: UUID | None


REPORTED: Responses = {200: made(FailureReport, "The causes"), **refusals("invalid_request")}
LISTED: Responses = {200: made(RefusalPage, "Newest hour first"), **refusals("invalid_request")}
PAGED: dict[str, Any] = {
    "parameters": [
        query("owner_kind", {"type": "string", "enum": list(KINDS)}, "Of `owner_id`; store by default."),
        query("owner_id", {"type": "string", "format": "uuid"}, "Those of this owner alone."),
        LIMIT,
        CURSOR,
    ]
}


def router(container: Container) -> APIRouter:
    """``/v1/admin/failures`` and ``/v1/admin/refusals``, for operators."""
    routes = operators_routes(container)

    @routes.get("/failures", responses=REPORTED, openapi_extra={"parameters": [FROM, TO]})
    async def get_failures(request: Request) -> Response:
        """Get what failed within a period, grouped by cause, the most frequent first."""
        period = parse_period(request.query_params, datetime.now(UTC))
        report = await report_failures(container.pool, period.since, period.until)
        causes = [asdict(cause) for cause in report.causes]
        counted = {"scanned": report.scanned, "is_whole": report.scanned < SCAN_MAX}
        return json_response({"since": period.since, "until": period.until, **counted, "data": causes})

    @routes.get("/refusals", responses=LISTED, openapi_extra=PAGED)
    async def list_refusals(request: Request) -> Response:
        """List refused requests of all owners, or of one: one entry an hour, surface and code, newest hour first.

        Kept for 30 days, a few seconds late. Unknown addresses, and requests without a good credential, are none.
        """
        owner = _owner_in(request)
        return await list_response(
            request,
            lambda before, limit: refusal_store.list_page(container.pool, owner, before=before, limit=limit),
            _view,
        )

    return routes


def _owner_in(request: Request) -> Owner | None:
    """Raises Problem 400."""
    id_, kind = id_in(request.query_params, "owner_id"), request.query_params.get("owner_kind", "store")
    if kind not in KINDS:
        raise field_problem("owner_kind", f"one of {', '.join(KINDS)} is required")
    return Owner.model_validate({"kind": kind, "id": id_}) if id_ else None


def _view(refusal: refusal_store.Refusal) -> dict[str, Any]:
    return {
        **{name: getattr(refusal, name) for name in refusal_store.Refusal.__slots__},
        "owner": refusal.owner.model_dump(mode="json"),
    }
