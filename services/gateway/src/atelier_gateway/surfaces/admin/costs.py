"""Route for operators: what the promise costs, by provider, model and day."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.peers.costs import DIMENSIONS, CostReport, Group, GroupCosts, TooManySubmissions, fetch_costs
from atelier_gateway.peers.usage import PeriodTooLarge
from atelier_gateway.surfaces.admin import cost_openapi as openapi
from atelier_gateway.surfaces.admin.access import operators_routes
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.periods import Period, parse_period
from atelier_gateway.web.problems import field_problem


def router(container: Container) -> APIRouter:
    """The route under ``/v1/admin/costs``, for operators."""
    routes = operators_routes(container, "/costs")

    @routes.get("", responses=openapi.COSTS, openapi_extra=openapi.PARAMETERS)
    async def get_costs(request: Request) -> Response:
        """Get revenue, providers' cost, waste, exposure and margin of a period."""
        period, by = parse_period(request.query_params, datetime.now(UTC)), parse_by(request.query_params)
        try:
            report = await fetch_costs(container.peers, period, by)
        except PeerUnavailable as error:
            raise unavailable_problem(error) from error
        except (PeriodTooLarge, TooManySubmissions) as error:
            raise field_problem("to", f"{error}: a shorter period is required, or fewer groups") from error
        return json_response(_view(report, period, by))

    return routes


def parse_by(parameters: Mapping[str, str]) -> tuple[str, ...]:
    """The dimensions that rows are grouped by. Raises Problem 400."""
    named = {name for name in parameters.get("by", "provider").split(",") if name}
    if unknown := named - set(DIMENSIONS):
        raise field_problem("by", f"{', '.join(DIMENSIONS)} are known, not {', '.join(sorted(unknown))[:80]}")
    return tuple(name for name in DIMENSIONS if name in named)


def _view(report: CostReport, period: Period, by: tuple[str, ...]) -> dict[str, Any]:
    rows = sorted(report.groups.items(), key=lambda item: [part or "" for part in item[0]])
    return {
        "from": period.since,
        "to": period.until,
        "by": by,
        "currency": report.table["currency"] if report.table else None,
        "totals": _amounts(report.total),
        "data": [_label(group) | _amounts(costs) for group, costs in rows],
    }


def _label(group: Group) -> dict[str, str | None]:
    return dict(zip(DIMENSIONS, group, strict=True))


def _amounts(costs: GroupCosts) -> dict[str, int | None]:
    return {
        "generations": costs.generations,
        "charged": costs.charged,
        "revenue_micros": costs.revenue,
        "submissions": costs.submissions,
        "unpriced": costs.unpriced,
        "cost_micros": costs.cost,
        "waste_micros": costs.waste,
        "unknown": costs.unknown,
        "exposure_micros": costs.exposure,
        "margin_micros": costs.margin,
    }
