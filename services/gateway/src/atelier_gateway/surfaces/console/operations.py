"""Pages of what the installation runs on: providers, webhooks, and its readiness for an upgrade."""

import asyncio
from collections.abc import Mapping

from starlette.responses import Response

from atelier_gateway.surfaces.console.visits import Part, Visit

PAGE_ROWS, ENDPOINT_ROWS = 25, 20
HOURS: Mapping[int, str] = {1: "Last hour", 24: "Last 24 hours", 168: "Last 7 days"}
STATES = ("failed", "pending", "delivered")


async def show_providers(visit: Visit) -> Response:
    """How each provider does, whose breaker is held, and what unknown outcomes may cost."""
    asked = visit.request.query_params.get("hours", "")
    hours = int(asked) if asked in map(str, HOURS) else 24
    standing, unknown = await asyncio.gather(
        visit.part("/providers", {"hours": hours}),
        visit.part("/providers/unknown", {**visit.query("cursor"), "limit": PAGE_ROWS}),
    )
    following = visit.next_address((unknown.value or {}).get("next_cursor"))
    return visit.page(
        "providers.html",
        here="providers",
        standing=standing,
        unknown=unknown,
        hours=hours,
        choices=HOURS,
        following=following,
    )


async def show_webhooks(visit: Visit) -> Response:
    """Deliveries of all owners, of one endpoint, or a single one; and the endpoints."""
    asked = visit.query("state", "endpoint_id", "cursor")
    single = visit.request.query_params.get("delivery", "").strip()
    nothing = Part({"data": [], "next_cursor": None})
    found, endpoints = await asyncio.gather(
        visit.part(f"/webhooks/deliveries/{single}")
        if single
        else visit.part("/webhooks/deliveries", {**asked, "limit": PAGE_ROWS}),
        visit.part("/webhooks", {"limit": ENDPOINT_ROWS}) if not single else _keep(nothing),
    )
    value = found.value
    rows = [] if value is None else [value] if single else value["data"]
    return visit.page(
        "webhooks.html",
        here="webhooks",
        found=found,
        rows=rows,
        endpoints=endpoints,
        asked=asked,
        states=STATES,
        single=single,
        following=None if single else visit.next_address((value or {}).get("next_cursor")),
    )


async def show_upgrade(visit: Visit) -> Response:
    """Releases, schemas, what is in work and what is not sent yet."""
    return visit.page("upgrade.html", here="upgrade", page=await visit.part("/upgrade"))


async def _keep(part: Part) -> Part:
    return part
