"""Routes for operators: the installation at a glance, and the search among everything that has a name."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_contracts.routes import SERVICES
from atelier_gateway.container import Container
from atelier_gateway.peers import figures
from atelier_gateway.peers.client import PeerUnavailable
from atelier_gateway.peers.figures import ServiceFigures
from atelier_gateway.projection import operator_lists
from atelier_gateway.projection.operator_lists import RATE_WINDOW_S
from atelier_gateway.surfaces.admin import installation_openapi as openapi
from atelier_gateway.surfaces.admin.access import operators_routes
from atelier_gateway.surfaces.admin.installation_openapi import QUERY_CHARS_MAX
from atelier_gateway.surfaces.admin.requests import word_in
from atelier_gateway.surfaces.admin.search import search
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import field_problem

BUSIEST_MAX = 10
BREAKERS = {0: "closed", 1: "half-open", 2: "open"}


def router(container: Container) -> APIRouter:
    """``/v1/admin/overview`` and ``/v1/admin/search``, for operators."""
    routes = operators_routes(container)

    @routes.get("/overview", responses=openapi.OVERVIEW)
    async def get_overview() -> Response:
        """Get the installation at a glance: rates, what is in flight, what is stuck, who answers."""
        return json_response(await _overview(container))

    @routes.get("/search", responses=openapi.FOUND, openapi_extra=openapi.SEARCH)
    async def search_installation(request: Request) -> Response:
        """Search generations, accounts, keys, requests, disputes and deliveries by whatever is known of them."""
        text = (word_in(request.query_params, "q") or "").strip()
        if not 1 <= len(text) <= QUERY_CHARS_MAX:
            raise field_problem("q", f"1 to {QUERY_CHARS_MAX} characters are required")
        return json_response(await search(container.pool, container.peers, text))

    return routes


async def _overview(container: Container) -> dict[str, Any]:
    now = datetime.now(UTC)
    recent, busiest, known, (source, open_) = await asyncio.gather(
        operator_lists.count_recent(container.pool, now),
        operator_lists.find_busiest(container.pool, BUSIEST_MAX),
        figures.collect(container.peers),
        _open_states(container),
    )
    return {
        "at": now,
        "recent": {"seconds": RATE_WINDOW_S, "accepted": sum(recent.values()), "by_state": recent},
        "open": open_,
        "open_source": source,
        "busiest": [
            {
                "owner": each.owner.model_dump(mode="json"),
                "number": each.number,
                "waiting": each.waiting,
                "oldest_s": round((now - each.oldest_at).total_seconds(), 1),
            }
            for each in busiest
        ],
        "services": [_service(known[service]) for service in SERVICES],
        "render_jobs": _whole(known["render"].by_label("atelier_render_jobs", "state")),
        "providers": _providers(known["render"]),
        "findings": _findings(known["session"]),
        "log": _log(known["billing"]),
    }


async def _open_states(container: Container) -> tuple[str, list[dict[str, Any]]]:
    """The session's; while it does not answer, what the gateway received last."""
    try:
        rows = (await container.peers.ask("GET", "session", "/internal/sagas/open"))["states"]
    except (PeerUnavailable, KeyError):
        now = datetime.now(UTC)
        return "gateway", [
            {
                "state": each.state,
                "number": each.number,
                "oldest_id": each.oldest,
                "oldest_s": round((now - each.oldest_at).total_seconds(), 1),
                "resent": 0,
            }
            for each in await operator_lists.count_open(container.pool)
        ]
    return "session", [
        {
            "state": row["state"],
            "number": row["number"],
            "oldest_id": row["oldest"],
            "oldest_s": round(row["oldest_s"], 1),
            "resent": row["resent"],
        }
        for row in rows
    ]


def _service(known: ServiceFigures) -> dict[str, Any]:
    pending = known.find("atelier_outbox_pending")
    return {
        "service": known.service,
        "answers": known.reason is None,
        "reason": known.reason,
        "outbox_pending": int(pending) if pending is not None else None,
    }


def _providers(render: ServiceFigures) -> list[dict[str, Any]]:
    breakers = render.by_label("atelier_provider_breaker_state", "provider")
    exposure = render.by_label("atelier_provider_exposure_micros", "provider")
    exposed = render.by_label("atelier_provider_exposed_submissions", "provider")
    reconciling = render.by_label("atelier_provider_reconciling", "provider")
    outcomes: dict[str, dict[str, int]] = {}
    for figure in render.figures:
        if figure.name == "atelier_provider_outcomes_total":
            counted = outcomes.setdefault(figure.labels["provider"], {})
            counted[figure.labels["outcome"]] = int(figure.value)
    return [
        {
            "provider": name,
            "breaker": BREAKERS.get(int(breakers[name]), "unknown") if name in breakers else "unknown",
            "exposure_micros": int(exposure.get(name, 0)),
            "exposed_submissions": int(exposed.get(name, 0)),
            "reconciling": int(reconciling.get(name, 0)),
            "outcomes": outcomes.get(name, {}),
        }
        for name in sorted({*breakers, *exposure, *exposed, *reconciling, *outcomes})
    ]


def _findings(session: ServiceFigures) -> dict[str, int] | None:
    found = _whole(session.by_label("atelier_reconcile_findings", "kind"))
    return {kind: number for kind, number in found.items() if number} if session.reason is None else None


def _log(billing: ServiceFigures) -> dict[str, Any]:
    verified, failed = (
        billing.find("atelier_log_verified_timestamp_seconds"),
        billing.find("atelier_log_verification_failed"),
    )
    contradicted = billing.find("atelier_log_contradicted")
    behind = billing.by_label("atelier_log_checkpoint_unwritten", "store")
    return {
        "verified_at": datetime.fromtimestamp(verified, UTC) if verified else None,
        "failed": bool(failed) if failed is not None else None,
        "contradicted": bool(contradicted) if contradicted is not None else None,
        "stores_behind": sorted(store for store, value in behind.items() if value),
    }


def _whole(values: Mapping[str, float]) -> dict[str, int]:
    return {name: int(value) for name, value in values.items()}
