"""Pages of queues and their dead letters."""

from starlette.responses import Response

from atelier_gateway.surfaces.console.visits import Part, Visit


async def show_queues(visit: Visit) -> Response:
    """All queues; the dead letters of the one that is chosen, or of the first that has some."""
    queues = await visit.part("/dead-letters")
    rows = (queues.value or {}).get("data", [])
    chosen = visit.request.query_params.get("queue") or next((row["queue"] for row in rows if row["messages"]), None)
    letters = await visit.part(f"/dead-letters/{chosen}") if chosen else Part({"data": []})
    return visit.page("dead_letters.html", here="dead-letters", queues=queues, chosen=chosen, letters=letters)
