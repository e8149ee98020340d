"""Pages of generations: the overview, the search, lists, and the whole story of one."""

import asyncio
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from starlette.responses import RedirectResponse, Response

from atelier_gateway.surfaces.admin.generation_openapi import STATES
from atelier_gateway.surfaces.console.responses import PREFIX
from atelier_gateway.surfaces.console.visits import Part, Visit
from atelier_gateway.surfaces.console.words import as_moment

PAGE_ROWS = 25
STUCK_S = 3_600
LINKS = {
    "generation": "generations/{id}",
    "store": "accounts/store/{id}",
    "user": "accounts/user/{id}",
    "workspace": "accounts/workspace/{id}",
    "key": "accounts/store/{parent_id}",
    "operator": "acts?operator={id}",
    "dispute": "generations/{parent_id}",
    "delivery": "webhooks?delivery={id}",
}
FILTERS = ("state", "kind", "surface", "owner_kind", "owner_id", "older_than_s")
OWN_STATES = ("accepted", "queued", "rendering", "delivering")


async def show_overview(visit: Visit) -> Response:
    """The installation now."""
    overview, dead, failed = await asyncio.gather(
        visit.part("/overview"),
        visit.part("/dead-letters"),
        visit.part("/generations", {"state": "failed", "limit": 5}),
    )
    found = overview.value or {}
    stuck = [row for row in found.get("open", []) if row["resent"]]
    return visit.page("overview.html", here="overview", overview=overview, dead=dead, failed=failed, stuck=stuck)


async def show_search(visit: Visit) -> Response:
    """What was found; a single hit is shown at once."""
    text = visit.request.query_params.get("q", "").strip()
    if not text:
        return visit.page("search.html", here="search", text="", found=Part(None), link=link_of)
    found = await visit.part("/search", {"q": text})
    hits = (found.value or {}).get("data", [])
    if len(hits) == 1:
        return RedirectResponse(link_of(hits[0]), 303)
    return visit.page("search.html", here="search", text=text, found=found, link=link_of)


async def show_generations(visit: Visit) -> Response:
    """A list with its filters in the address."""
    asked = visit.query(*FILTERS, "cursor")
    page = await visit.part("/generations", {**asked, "limit": PAGE_ROWS})
    cursor = (page.value or {}).get("next_cursor")
    return visit.page(
        "generations.html",
        status=200 if page.value is not None else 400,
        here="generations",
        page=page,
        asked=asked,
        states=STATES,
        views=_views(),
        following=visit.next_address(cursor),
    )


async def show_generation(visit: Visit) -> Response:
    """One generation: what every service that answers knows of it."""
    id_ = visit.request.path_params["id"]
    story, found, receipt = await visit.parts(
        f"/generations/{id_}/explain", f"/generations/{id_}", f"/generations/{id_}/receipt"
    )
    acts = await visit.part("/acts", {"target": id_, "limit": 20})
    if story.value is None and found.value is None:
        return visit.page("problem.html", status=404, title="There is no such generation", detail=story.why_not or "")
    owner = (story.value or found.value or {}).get("owner")
    return visit.page(
        "generation.html",
        here="generations",
        id=id_,
        story=story,
        found=found,
        receipt=receipt,
        acts=acts,
        owner=owner,
        steps=_with_gaps((story.value or {}).get("steps", [])),
        is_open=_is_open(found, story),
        returnable=_returnable(found),
        viewers=viewers_of(_viewer_pages(visit), story.value or {}, id_),
    )


def _viewer_pages(visit: Visit) -> dict[str, str]:
    settings = visit.console.container.settings
    return {"trace": settings.trace_page, "logs": settings.log_page}


def viewers_of(pages: Mapping[str, str], story: Mapping[str, Any], id_: str) -> dict[str, str]:
    """The pages of its trace and its logs, of templates such as ``https://traces.example/{trace_id}``; those that lack
    what they need are left out. Pure."""
    known = {"generation_id": id_, "request_id": story.get("request_id"), "trace_id": story.get("trace_id")}
    found = {}
    for name, page in pages.items():
        needed = [each for each in known if f"{{{each}}}" in page]
        if page and all(known[each] for each in needed):
            found[name] = page
            for each in needed:
                found[name] = found[name].replace(f"{{{each}}}", quote(str(known[each]), safe=""))
    return found


def link_of(hit: dict[str, Any]) -> str:
    """The page of a hit."""
    return f"{PREFIX}/{LINKS[hit['kind']].format(**hit)}"


def _views() -> list[tuple[str, str]]:
    """The lists most used: (name, address)."""
    wanted: list[tuple[str, dict[str, object]]] = [
        ("Newest", {}),
        ("In flight", {"state": "open"}),
        ("Open for an hour", {"state": "open", "older_than_s": STUCK_S}),
        ("Failed", {"state": "failed"}),
        ("Out of time", {"state": "expired"}),
        ("Declined", {"state": "rejected"}),
    ]
    return [(name, f"{PREFIX}/generations" + (f"?{urlencode(asked)}" if asked else "")) for name, asked in wanted]


def _with_gaps(steps: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each step with the seconds since the one before."""
    shown: list[dict[str, Any]] = []
    before = None
    for step in steps:
        at = as_moment(step["at"])
        gap_s: float | None = (at - before).total_seconds() if at and before else None
        shown.append(step | {"gap_s": gap_s})
        before = at
    return shown


def _is_open(found: Part, story: Part) -> bool:
    if found.value is not None:
        return found.value["state"] in OWN_STATES
    return story.value is not None and bool(story.value.get("next_timer_at"))


def _returnable(found: Part) -> int:
    """How many of its credits are charged and not yet returned."""
    credits = (found.value or {}).get("credits") or {}
    return max(0, int(credits.get("captured", 0)) - int(credits.get("returned", 0)))
