"""Asks the trace viewer which spans of one trace it has received."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

import httpx

from atelier_local.errors import AtelierError

ASK_EVERY_S = 0.3


@dataclass(frozen=True, slots=True)
class ReceivedTrace:
    """How much of a trace has arrived."""

    spans: int
    services: frozenset[str]


async def wait_for(base: str, trace_id: str, services: frozenset[str], *, within_s: float = 10.0) -> ReceivedTrace:
    """The trace once all these services have a span in it, or as far as it has come when the time is over.

    Spans arrive a moment after the work that they describe: each service sends them in batches. Raises AtelierError
    when the viewer does not answer.
    """
    deadline = time.monotonic() + within_s
    async with httpx.AsyncClient(base_url=base, trust_env=False) as http:
        while True:
            seen = await _ask(http, trace_id)
            if services <= seen.services or time.monotonic() > deadline:
                return seen
            await asyncio.sleep(ASK_EVERY_S)


async def _ask(http: httpx.AsyncClient, trace_id: str) -> ReceivedTrace:
    try:
        answer = await http.post("/api/query/traces", json={"query": f"trace_id = {trace_id}", "limit": 1})
        answer.raise_for_status()
        spans: list[dict[str, Any]] = [span for trace in answer.json()["traces"] for span in trace["spans"]]
    except (httpx.HTTPError, ValueError, KeyError) as error:
        raise AtelierError(f"The trace viewer at {http.base_url} does not answer: {error!r}.") from None
    return ReceivedTrace(len(spans), frozenset(span["attributes"]["service.name"] for span in spans))
