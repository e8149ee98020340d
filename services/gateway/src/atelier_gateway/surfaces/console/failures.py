"""The page of what failed and why, and of requests that were refused."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from starlette.responses import Response

from atelier_gateway.surfaces.console.visits import Visit

PAGE_ROWS = 25
NIGHT_BEGINS, NIGHT_ENDS = 18, 9
"""Hours of UTC."""
PERIODS: Mapping[str, str] = {
    "night": "Last night",
    "hour": "Last hour",
    "day": "Last 24 hours",
    "week": "Last 7 days",
}
LENGTHS: Mapping[str, timedelta] = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(days=7)}


async def show_failures(visit: Visit) -> Response:
    """Failures of a period by cause, and the refusals of all owners or of one."""
    chosen = visit.request.query_params.get("period", "night")
    chosen = chosen if chosen in PERIODS else "night"
    since, until = bounds_of(chosen, datetime.now(UTC))
    asked = visit.query("owner_kind", "owner_id", "cursor")
    failures, refused = await asyncio.gather(
        visit.part("/failures", {"from": since.isoformat(), "to": until.isoformat()}),
        visit.part("/refusals", {**asked, "limit": PAGE_ROWS}),
    )
    return visit.page(
        "failures.html",
        here="failures",
        failures=failures,
        refused=refused,
        chosen=chosen,
        periods=PERIODS,
        since=since,
        until=until,
        asked=asked,
        following=visit.next_address((refused.value or {}).get("next_cursor")),
    )


def bounds_of(period: str, now: datetime) -> tuple[datetime, datetime]:
    """From when to when. The last night is the one that goes on, or the one that ended last. Pure."""
    if period in LENGTHS:
        return now - LENGTHS[period], now
    evening = now.replace(hour=NIGHT_BEGINS, minute=0, second=0, microsecond=0)
    begins = evening if evening <= now else evening - timedelta(days=1)
    return begins, min(now, begins + timedelta(hours=24 - NIGHT_BEGINS + NIGHT_ENDS))
