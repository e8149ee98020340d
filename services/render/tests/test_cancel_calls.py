"""Cancelling an attempt wherever it waits: for a provider to recover, for its word, for a free line, for the store.

Each time the task itself is stopped, the job ends cancelled, and no provider is called any more.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from atelier_contracts import CancelRender, RequestRender
from atelier_messaging.testing import becomes
from atelier_render.provider_calls.concurrency_gate import CALLS_MAX
from atelier_render.providers.protocol import RateLimited, Transient, Unknown

from .support.provider_script import OK, Scripted

pytestmark = pytest.mark.stack
Ask = Callable[..., RequestRender]
Cancel = Callable[[RequestRender], CancelRender]
PICTURE: dict[str, Any] = {"simulate": None, "kind": "image", "prompt": "p", "size": "256x256"}
PATIENT_S = 60.0


async def start_process(world: Any, *requests: RequestRender, preferred: tuple[Scripted, ...] = ()) -> Any:
    process = world.process(lease_s=PATIENT_S, slots=8, preferred=preferred)
    await process.handle(*requests)
    process.start()
    return process


async def holds(look: Callable[[], object]) -> None:
    """Waits until what is looked at is true."""

    async def probe() -> bool:
        return bool(look())

    await becomes(True, probe)


async def nothing_is_left(world: Any, process: Any, request: RequestRender) -> None:
    """The job is cancelled, its attempt's task is over, one event was emitted, nothing was stored."""
    await world.until(request.generation_id, "cancelled")
    await holds(lambda: not process.scheduler._attempts)
    assert await world.events(request.generation_id) == ["render_started", "render_failed"]
    assert world.objects.objects == {}
    open_ = "SELECT count(*) FROM submissions WHERE generation_id = $1 AND state <> 'ended'"
    assert await world.pool.fetchval(open_, request.generation_id) == 0


async def test_while_it_backs_off_nothing_more_is_submitted(world: Any, ask: Ask, cancel: Cancel) -> None:
    one, request = Scripted("one", (RateLimited(20.0), OK)), ask(**PICTURE)
    process = await start_process(world, request, preferred=(one,))
    ended = "SELECT count(*) FROM submissions WHERE outcome = 'rate_limited'"
    await becomes(1, lambda: world.pool.fetchval(ended))

    await process.handle(cancel(request))

    await nothing_is_left(world, process, request)
    assert len(one.keys) == 1


async def test_while_it_reconciles_nothing_more_is_asked(world: Any, ask: Ask, cancel: Cancel) -> None:
    one, request = Scripted("one", (Unknown(),)), ask(**PICTURE)
    process = await start_process(world, request, preferred=(one,))
    await holds(lambda: one.recalled)

    await process.handle(cancel(request))

    await nothing_is_left(world, process, request)
    outcome = "SELECT outcome FROM submissions WHERE generation_id = $1"
    assert await world.pool.fetchval(outcome, request.generation_id) == "abandoned"


async def test_while_it_waits_for_a_free_line_it_sends_nothing_and_holds_up_nobody(
    world: Any, ask: Ask, cancel: Cancel
) -> None:
    one = Scripted("one", (OK,), hold=asyncio.Event())
    calling, waiting = [ask(**PICTURE) for _ in range(CALLS_MAX)], ask(**PICTURE)
    process = await start_process(world, *calling, preferred=(one,))
    await holds(lambda: len(one.keys) == CALLS_MAX)
    await process.handle(waiting)
    await world.until(waiting.generation_id, "running")

    await process.handle(cancel(waiting))
    await world.until(waiting.generation_id, "cancelled")
    one.let_go()

    for request in calling:
        await world.until(request.generation_id, "done")
    assert len(one.keys) == CALLS_MAX


async def test_while_a_moderator_is_away_no_provider_is_asked(
    world: Any, ask: Ask, cancel: Cancel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = asyncio.Event()

    async def away(*_: object) -> None:
        asked.set()
        await asyncio.Event().wait()

    monkeypatch.setattr("atelier_render.moderation.moderators.ContentModeration.reject_reason", away)
    one, request = Scripted("one", (OK,)), ask(**PICTURE)
    process = await start_process(world, request, preferred=(one,))
    await asyncio.wait_for(asked.wait(), 60)

    await process.handle(cancel(request))

    await nothing_is_left(world, process, request)
    assert one.keys == []


async def test_while_the_store_is_away_what_was_made_is_thrown_away(world: Any, ask: Ask, cancel: Cancel) -> None:
    world.objects.away = True
    one, request = Scripted("one", (OK,)), ask(**PICTURE)
    process = await start_process(world, request, preferred=(one,))
    await holds(lambda: world.spool.holds(request.generation_id))

    await process.handle(cancel(request))

    await world.until(request.generation_id, "cancelled")
    await holds(lambda: not world.spool.holds(request.generation_id))
    world.objects.away = False


async def test_after_trouble_the_next_provider_is_not_asked_either(world: Any, ask: Ask, cancel: Cancel) -> None:
    one, two = Scripted("one", (Transient("503"),)), Scripted("two", (OK,), hold=asyncio.Event())
    request = ask(**PICTURE)
    process = await start_process(world, request, preferred=(one, two))
    await asyncio.wait_for(two.asked.wait(), 60)

    await process.handle(cancel(request))

    await nothing_is_left(world, process, request)
    assert len(two.keys) == 1
