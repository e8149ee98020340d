"""The page of operators' acts."""

from starlette.responses import Response

from atelier_gateway.surfaces.console.visits import Visit

PAGE_ROWS = 30


async def show_acts(visit: Visit) -> Response:
    """Who did what to what, and why."""
    asked = visit.query("act", "target", "operator", "cursor")
    page = await visit.part("/acts", {**asked, "limit": PAGE_ROWS})
    following = visit.next_address((page.value or {}).get("next_cursor"))
    return visit.page("acts.html", here="acts", page=page, asked=asked, following=following)
