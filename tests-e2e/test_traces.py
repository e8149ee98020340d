"""One request, one trace, across all four services, each span under the one that caused it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from atelier_local.api_client.client import Client, new_traceparent
from whole_system.waits import eventually
from whole_system.world import IMAGES, World

CAUSES = {
    "session.saga process gateway.generation_requested.v1": "POST /api/v1/generation/create",
    "billing.commands process billing.reserve_credit.v1": "session.saga process gateway.generation_requested.v1",
    "session.saga process billing.credit_deducted.v1": "billing.commands process billing.reserve_credit.v1",
    "render.commands process render.request_render.v1": "session.saga process billing.credit_deducted.v1",
    "render try_on": "render.commands process render.request_render.v1",
    "storage put": "render try_on",
    "session.saga process render.render_completed.v1": "render try_on",
    "billing.commands process billing.capture_credit.v1": "session.saga process render.render_completed.v1",
    "session.saga process billing.credit_captured.v1": "billing.commands process billing.capture_credit.v1",
    "gateway.projection process session.generation_succeeded.v1": "session.saga process billing.credit_captured.v1",
}


async def test_one_trace_covers_all_four_services_with_the_right_parents(
    world: World, store: Callable[[int], Awaitable[Client]]
) -> None:
    client = await store(1)
    trace_id, traceparent = new_traceparent()
    viewer = world.stack.environment()["ATELIER_TRACES_URL"]
    started = await client.try_on(IMAGES, simulate="outcome=succeed", traceparent=traceparent)
    await world.wait_until_ended(client, started.session_id)

    async def whole_trace() -> list[dict[str, Any]] | None:
        spans = await asyncio.to_thread(_spans, viewer, trace_id)
        return spans if CAUSES.keys() <= {span["name"] for span in spans} else None

    spans = await eventually(whole_trace, within_s=20)

    by_id = {span["spanId"]: span for span in spans}
    parents = {span["name"]: by_id.get(span.get("parentSpanId"), {}).get("name") for span in spans}
    assert {name: parents[name] for name in CAUSES} == CAUSES
    assert {span["attributes"]["service.name"] for span in spans} == {"gateway", "session", "billing", "render"}


def _spans(viewer: str, trace_id: str) -> list[dict[str, Any]]:
    query = {"query": f"trace_id = {trace_id}", "limit": 1}
    answer = httpx.post(f"{viewer}/api/query/traces", json=query).raise_for_status().json()
    return [span for trace in answer["traces"] for span in trace["spans"]]
