"""Pages of the books: findings of reconciliation, the ledger and its log, costs; and public events."""

import asyncio

from starlette.responses import Response

from atelier_gateway.surfaces.console.visits import Part, Visit
from atelier_gateway.surfaces.console.words import PERIODS

PAGE_ROWS, WAITING_ROWS = 25, 10


async def show_books(visit: Visit) -> Response:
    """What disagrees, whether the log is proved, what was earned and spent this month."""
    asked, more = visit.query("resolved", "cursor"), visit.query("log", "costs")
    period = {"by": "provider"} | PERIODS.get(more.get("costs", ""), PERIODS["day"])()
    findings, overview, disputes, holds, log, costs = await asyncio.gather(
        visit.part("/reconcile/findings", {**asked, "limit": PAGE_ROWS}),
        visit.part("/overview"),
        visit.part("/disputes", {"status": "review", "limit": WAITING_ROWS}),
        visit.part("/holds", {"limit": WAITING_ROWS}),
        visit.part("/log/status") if "log" in more else _nothing(),
        visit.part("/costs", period) if "costs" in more else _nothing(),
    )
    following = visit.next_address((findings.value or {}).get("next_cursor"))
    return visit.page(
        "books.html",
        here="books",
        findings=findings,
        following=following,
        costs=costs,
        disputes=disputes,
        holds=holds,
        log=log,
        standing=(overview.value or {}).get("log"),
    )


async def show_events(visit: Visit) -> Response:
    """The subscriptions to public events, and how far each is behind."""
    return visit.page("events.html", here="events", page=await visit.part("/subscriptions"))


async def _nothing() -> Part:
    """A part that the page leaves out."""
    return Part(None)
