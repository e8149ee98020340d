"""One generation, one trace, across all four services, each span under the one that caused it, found by the
generation's id: when it succeeds, is declined, fails, is cancelled, is taken over, or goes to the next provider."""

import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from textwrap import indent
from uuid import UUID

import httpx
import pytest

from atelier_local.api_client.client import Client, RequestRefused
from atelier_provider_simulator.control import Control, accounts_at
from whole_system.own_stack import own_world
from whole_system.trace_trees import draw_trees, find_spans
from whole_system.waits import NotYet, becomes, eventually
from whole_system.world import IMAGES, World

SETTINGS = {
    "ATELIER_SESSION_RESEND_S": "5",
    "ATELIER_SESSION_STOP_GRACE_S": "5",
    "ATELIER_RENDER_ANSWER_S_MAX": "10",
    "RATE_LIMIT_ENABLED": "false",
}
MakeStore = Callable[[int], Awaitable[Client]]
IMAGE = {"kind": "image", "prompt": "a lake at dawn", "size": "1024x1024"}
SLOW = "outcome=succeed, delay_ms=4000"
ENDED = ("succeeded", "failed", "rejected", "cancelled", "expired")
TRY_ON, NATIVE = "POST /api/v1/generation/create", "POST /v1/generations"


def message(sender: str, name: str, *receivers: tuple[str, str]) -> str:
    """A message from its creation, and each of its receivers with what follows there."""
    processed = "\n".join(
        f"{service} consumer process {name}" + (f"\n{indent(below, '  ')}" if below else "")
        for service, below in receivers
    )
    return f"{sender} producer create {name}\n{indent(processed, '  ')}"


def span(line: str, *below: str) -> str:
    """A span and what is below it, in the order of their lines."""
    return "\n".join([line, *(indent(text, "  ") for text in sorted(below))])


def admitted(post: str, answer: str) -> str:
    """From the client's request to billing's answer, and what the session does with that."""
    reserve = message("session", "billing.reserve_credit.v1", ("billing", answer))
    return span(f"gateway server {post}", message("gateway", "gateway.generation_requested.v1", ("session", reserve)))


def rendered(post: str, *attempts: str) -> str:
    """A reservation that is granted, and what follows from the render's request."""
    queued = message("session", "session.generation_queued.v1", ("gateway", ""))
    request = message("session", "render.request_render.v1", ("render", "\n".join(sorted(attempts))))
    follows = "\n".join(sorted((queued, request)))
    return admitted(post, message("billing", "billing.credit_deducted.v1", ("session", follows)))


def settled(command: str, answer: str, end: str) -> str:
    """From the session's command to billing to the client's end."""
    told = message("session", f"session.generation_{end}.v1", ("gateway", ""))
    return message("session", command, ("billing", message("billing", answer, ("session", told))))


STARTED = message("render", "render.render_started.v1", ("gateway", ""), ("session", ""))
CALL = "render internal generate_content"
STORED = ("render client storage put", "render client storage put")  # the picture and its thumbnail
CAPTURED = settled("billing.capture_credit.v1", "billing.credit_captured.v1", "succeeded")
COMPLETED = message("render", "render.render_completed.v1", ("session", CAPTURED))
SUCCESS = span("render internal render try_on", STARTED, CALL, *STORED, COMPLETED)


def failed(end: str) -> str:
    """An attempt that ends with a refund."""
    refunded = settled("billing.refund_credit.v1", "billing.credit_refunded.v1", end)
    answer = message("render", "render.render_failed.v1", ("session", refunded))
    return span("render internal render try_on", STARTED, CALL, answer)


@pytest.fixture(scope="module")
async def world(providers_url: str) -> AsyncIterator[World]:
    """A system with a trace viewer; the others do without."""
    async with own_world("traces", SETTINGS | accounts_at(providers_url), viewer=True) as opened:
        yield opened


async def wait_for_trees(world: World, id: str, *expected: str) -> None:
    """Returns once the viewer has these trees of the generation, and no others."""
    viewer = world.stack.environment()["ATELIER_TRACES_URL"]

    async def trees() -> str:
        return draw_trees(await find_spans(viewer, id))

    await becomes("\n".join(sorted(expected)), trees)


async def wait_for_line(world: World, id: str, line: str) -> None:
    """Returns once the viewer has a span that is drawn so."""
    viewer = world.stack.environment()["ATELIER_TRACES_URL"]

    async def is_there() -> bool | NotYet:
        drawn = draw_trees(await find_spans(viewer, id))
        return True if line in drawn else NotYet(drawn)

    await eventually(is_there)


async def wait_for_state(world: World, id: str, *states: str) -> None:
    """By the session's own record: a look through the API would be a span."""

    async def state() -> bool | NotYet:
        found = await world.databases["session"].fetchval("SELECT state FROM sagas WHERE generation_id = $1", id)
        return True if found in states else NotYet(found)

    await eventually(state)


async def test_a_success_is_one_tree(world: World, store: MakeStore) -> None:
    started = await (await store(1)).try_on(IMAGES, simulate="outcome=succeed, delay_ms=300")
    await wait_for_state(world, started.session_id, *ENDED)

    await wait_for_trees(world, started.session_id, rendered(TRY_ON, SUCCESS))


async def test_a_declined_reservation_is_one_tree_without_a_render(world: World, store: MakeStore) -> None:
    client = await store(0)
    with pytest.raises(RequestRefused):
        await client.create(IMAGE, {"X-Atelier-Simulate": "outcome=succeed"})
    rejected = "SELECT generation_id::text FROM sagas WHERE state = 'rejected' AND owner_id = $1"
    id = await world.databases["session"].fetchval(rejected, UUID(world.id_of(client)))

    told = message("session", "session.generation_rejected.v1", ("gateway", ""))
    declined = message("billing", "billing.credit_declined.v1", ("session", told))
    await wait_for_trees(world, id, admitted(NATIVE, declined))


async def test_a_failure_and_its_refund_are_one_tree(world: World, store: MakeStore) -> None:
    started = await (await store(1)).try_on(IMAGES, simulate="outcome=fail, delay_ms=300")
    await wait_for_state(world, started.session_id, *ENDED)

    await wait_for_trees(world, started.session_id, rendered(TRY_ON, failed("failed")))


async def test_a_cancel_is_a_tree_of_its_own_and_the_refund_belongs_to_the_render(
    world: World, store: MakeStore
) -> None:
    client = await store(1)
    started = await client.try_on(IMAGES, simulate="outcome=succeed, delay_ms=60000")
    await wait_for_state(world, started.session_id, "rendering")
    await client.ask("cancel", "POST", f"/v1/generations/{started.session_id}/cancel")
    await wait_for_state(world, started.session_id, *ENDED)

    stop = message("session", "render.cancel_render.v1", ("render", ""))
    cancel = span(
        "gateway server POST /v1/generations/{id}/cancel",
        message("gateway", "gateway.cancel_requested.v1", ("session", stop)),
    )
    await wait_for_trees(world, started.session_id, rendered(TRY_ON, failed("cancelled")), cancel)


async def test_a_render_that_is_taken_over_has_a_lost_lease_and_a_second_attempt(
    world: World, store: MakeStore
) -> None:
    started = await (await store(1)).try_on(IMAGES, simulate="outcome=succeed, delay_ms=10000")
    await wait_for_state(world, started.session_id, "rendering")
    for line in STARTED.splitlines():
        await wait_for_line(world, started.session_id, line.strip())
    await world.kill("render", signal.SIGKILL)
    await wait_for_state(world, started.session_id, *ENDED)

    # The killed process took the span of its attempt with it: what that had sent before stands alone.
    await wait_for_trees(world, started.session_id, rendered(TRY_ON, "render internal lease lost", SUCCESS), STARTED)


async def test_the_next_provider_s_call_stands_beside_the_one_that_failed(
    world: World, store: MakeStore, provider_simulator: Control
) -> None:
    await provider_simulator.plan("openai", "out_of_quota")
    made = await (await store(100)).create(IMAGE | {"provider": "openai"}, {"Prefer": "respond-async"})
    await wait_for_state(world, made.id, *ENDED)

    called = "render client generate_content gpt-image-2.6-flare"
    attempt = span("render internal render image", STARTED, called, CALL, *STORED, COMPLETED)
    await wait_for_trees(world, made.id, rendered(NATIVE, attempt))


async def test_a_duration_leads_to_its_trace(world: World, store: MakeStore) -> None:
    known = world.stack.environment()
    started = await (await store(1)).try_on(IMAGES, simulate="outcome=succeed, delay_ms=300")
    await wait_for_state(world, started.session_id, *ENDED)
    await wait_for_trees(world, started.session_id, rendered(TRY_ON, SUCCESS))
    [trace_id] = {span["traceId"] for span in await find_spans(known["ATELIER_TRACES_URL"], started.session_id)}

    headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
    async with httpx.AsyncClient(trust_env=False) as http:
        metrics = (await http.get(f"{known['ATELIER_OPERATIONS_URL']}/metrics", headers=headers)).text

    [line] = [line for line in metrics.splitlines() if f'trace_id="{trace_id}"' in line]
    assert line.startswith("atelier_admission_seconds_bucket{")
