"""What the trace viewer knows of one generation, as trees of services, kinds and names: found by the generation's id,
as an operator finds it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import httpx

GENERATION_ID = "atelier.generation.id"
TRACES_MAX = 50
UNTIMELY = ("create atelier:render.render_progressed.v1", "timer resend due")
"""How often progress is told, and a command sent again, is a matter of time: these and all below them are left out."""
Span = Mapping[str, Any]


async def find_spans(viewer: str, generation: str) -> list[Span]:
    """All spans of the traces in which the generation's id occurs. Raises httpx.HTTPError."""
    query = {"query": f"{GENERATION_ID} = {generation}", "limit": TRACES_MAX}
    async with httpx.AsyncClient(trust_env=False) as http:
        answer = (await http.post(f"{viewer}/api/query/traces", json=query)).raise_for_status().json()
    return [span for trace in answer["traces"] for span in trace["spans"]]


def draw_trees(spans: Sequence[Span]) -> str:
    """One line a span, ``service kind name``, two blanks deeper than its parent's; siblings in the order of their
    lines. A span whose parent is not there is a root. Without looks at the generation, and without what is untimely."""
    known = {span["spanId"]: span for span in spans}
    children: dict[str | None, list[Span]] = {}
    for span in spans:
        parent = span.get("parentSpanId")
        children.setdefault(parent if parent in known else None, []).append(span)
    roots = [span for span in children.get(None, []) if not span["name"].startswith("GET ")]
    return "\n".join(sorted(_draw(roots, children)))


def _draw(spans: Iterable[Span], children: Mapping[str | None, list[Span]]) -> list[str]:
    drawn = []
    handled = set()
    for span in spans:
        message = (span["attributes"]["service.name"], span["attributes"].get("messaging.message.id", span["spanId"]))
        if span["name"] in UNTIMELY or message in handled:
            continue  # delivered again, as after a kill: handled once
        handled.add(message)
        below = sorted(_draw(children.get(span["spanId"], []), children))
        drawn.append("\n".join([describe(span), *(f"  {line}" for text in below for line in text.splitlines())]))
    return drawn


def describe(span: Span) -> str:
    """A span in one line; a message by its name alone, for exchange and queue are the same for all of it."""
    verb, _, destination = span["name"].partition(" ")
    name = f"{verb} {destination.split(':')[1]}" if destination.startswith("atelier:") else span["name"]
    return f"{span['attributes']['service.name']} {span['kind'].lower()} {name}"
