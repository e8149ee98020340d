"""Outputs that no owner may read any more are deleted, also after errors; those an owner may read stay."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from atelier_contracts import CancelRender, DiscardRender, GenerationDeleted, Owner, RequestRender, Simulation
from atelier_storage.errors import StorageUnavailable
from atelier_storage.keys import artefact_key, input_key, thumbnail_key, upload_key
from atelier_telemetry import metrics

pytestmark = pytest.mark.stack
Ask = Callable[..., RequestRender]


async def make_output(world: Any, process: Any, request: RequestRender) -> set[str]:
    """Renders it; answers the keys of what was stored for it."""
    before = set(world.objects.objects)
    await process.handle(request)
    await world.until(request.generation_id, "done")
    return set(world.objects.objects) - before


async def removals(world: Any, generation_id: UUID) -> list[tuple[str, int]]:
    sql = "SELECT reason, outputs FROM removals WHERE generation_id = $1"
    return [tuple(row) for row in await world.pool.fetch(sql, generation_id)]


@pytest.mark.parametrize(("command", "reason"), [(DiscardRender, "late"), (GenerationDeleted, "requested")])
async def test_a_result_nobody_may_have_goes_with_its_thumbnails_and_its_rows(
    world: Any, ask: Ask, command: Any, reason: str
) -> None:
    process = world.process()
    process.start()
    doomed, other = ask(simulate=Simulation(), n=2), ask(simulate=Simulation())
    await make_output(world, process, doomed)
    kept = await make_output(world, process, other)
    discarded = metrics.DISCARDED._value.get()

    await process.handle(command(generation_id=doomed.generation_id))
    await process.handle(command(generation_id=doomed.generation_id))
    await process.collector.collect()

    assert set(world.objects.objects) == kept
    assert await removals(world, doomed.generation_id) == [(reason, 2)]
    assert metrics.DISCARDED._value.get() - discarded == (2 if reason == "late" else 0)
    assert await world.pool.fetchval("SELECT count(*) FROM doomed_objects") == 0


async def test_what_was_asked_of_a_deleted_generation_is_forgotten_but_for_its_kind(world: Any, ask: Ask) -> None:
    process, request = world.process(), ask(prompt="my secret garden", simulate=Simulation())
    process.start()
    await make_output(world, process, request)

    await process.handle(GenerationDeleted(generation_id=request.generation_id))

    assert (await world.job(request.generation_id))["spec"] == {"kind": "try_on"}


async def test_what_cannot_be_removed_now_is_removed_later(world: Any, ask: Ask) -> None:
    process, request = world.process(), ask(simulate=Simulation())
    process.start()
    await make_output(world, process, request)
    world.objects.away = True
    await process.handle(GenerationDeleted(generation_id=request.generation_id))

    with pytest.raises(StorageUnavailable):
        await process.collector.collect()
    world.objects.away = False
    await process.collector.collect()

    assert world.objects.objects == {}


async def test_the_sweep_takes_old_objects_that_no_row_speaks_of_and_nothing_else(world: Any, ask: Ask) -> None:
    process, request = world.process(), ask(simulate=Simulation())
    process.start()
    kept = await make_output(world, process, request)
    waiting = ask(simulate=Simulation(delay_ms=60_000))
    await process.handle(waiting)
    owner = Owner(kind="user", id=uuid4())

    async def put(key: str) -> str:
        await world.objects.put(key, b"x", "image/png")
        return key

    orphan = await put(artefact_key(owner.kind, owner.id, uuid4(), 0, "png"))
    losers = await put(artefact_key("store", request.owner.id, request.generation_id, 0, "png", attempt="2"))
    kept |= {
        await put(upload_key(owner.kind, owner.id, uuid4(), "me.png")),
        await put(artefact_key("store", waiting.owner.id, waiting.generation_id, 0, "png")),
    }
    long_ago = datetime.now(UTC) - timedelta(days=2)
    world.objects.written = dict.fromkeys(world.objects.objects, long_ago)
    kept.add(await put(artefact_key(owner.kind, owner.id, uuid4(), 1, "png")))

    assert await process.collector.sweep() == 2
    await process.collector.collect()

    assert set(world.objects.objects) == kept
    assert not {orphan, losers, thumbnail_key(orphan)} & kept


async def test_inputs_that_nothing_is_made_of_any_more_are_removed_and_nothing_else(world: Any, ask: Ask) -> None:
    process = world.process()
    process.start()
    request = ask(simulate=Simulation())
    made_keys = await make_output(world, process, request)
    owner = request.owner
    given = input_key(owner.kind, owner.id, uuid4(), "ab" * 32)
    upload = upload_key(owner.kind, owner.id, uuid4(), "me.png")
    result = artefact_key("user", uuid4(), uuid4(), 0, "png")
    for key in (given, upload, result):
        await world.objects.put(key, b"x", "image/png")

    named = (given, upload, result, "backups/everything.tar")
    await process.handle(GenerationDeleted(generation_id=request.generation_id, inputs=named))
    await process.collector.collect()

    assert set(world.objects.objects) == {result}
    assert made_keys


async def test_results_go_when_their_time_has_come_and_everybody_is_told(world: Any, ask: Ask) -> None:
    process = world.process()
    process.start()
    old, new = ask(simulate=Simulation()), ask(simulate=Simulation())
    await make_output(world, process, old)
    kept = await make_output(world, process, new)
    await world.pool.execute(
        "UPDATE results SET created_at = now() - interval '31 days' WHERE generation_id = $1", old.generation_id
    )

    await process.collector.expire()
    await process.collector.collect()

    assert set(world.objects.objects) == kept
    assert (await world.events(old.generation_id))[-1] == "artefacts_expired"
    assert "artefacts_expired" not in await world.events(new.generation_id)
    assert await removals(world, old.generation_id) == [("retention", 1)]


async def test_results_go_when_their_request_has_them_deleted_and_two_minutes_before(world: Any, ask: Ask) -> None:
    process = world.process()
    process.start()
    short, long = ask(simulate=Simulation(), keep_s=3_600), ask(simulate=Simulation())
    await make_output(world, process, short)
    kept = await make_output(world, process, long)
    sql = "SELECT extract(epoch FROM keep_until - created_at)::int FROM results WHERE generation_id = $1"
    assert await world.pool.fetchval(sql, short.generation_id) == 3_600 - 120
    assert await world.pool.fetchval(sql, long.generation_id) is None
    await process.collector.expire()
    assert await removals(world, short.generation_id) == []
    await world.pool.execute("UPDATE results SET keep_until = now() WHERE generation_id = $1", short.generation_id)

    await process.collector.expire()
    await process.collector.collect()

    assert set(world.objects.objects) == kept
    assert (await world.events(short.generation_id))[-1] == "artefacts_expired"
    assert await removals(world, short.generation_id) == [("retention", 1)]


async def test_what_was_delivered_and_is_not_to_be_stored_goes_and_everybody_is_told(world: Any, ask: Ask) -> None:
    process = world.process()
    process.start()
    request, discarded = ask(simulate=Simulation(), keep_s=0), metrics.DISCARDED._value.get()
    await make_output(world, process, request)

    await process.handle(DiscardRender(generation_id=request.generation_id, cause="delivered"))
    await process.collector.collect()

    assert world.objects.objects == {}
    assert (await world.events(request.generation_id))[-1] == "artefacts_expired"
    assert await removals(world, request.generation_id) == [("delivered", 1)]
    assert metrics.DISCARDED._value.get() == discarded


async def test_old_jobs_are_forgotten_tombstones_too_and_their_outputs_stay(world: Any, ask: Ask) -> None:
    process = world.process()
    process.start()
    old, entombed, busy, recent = (UUID(f"00000000-0000-7000-8000-{n:012x}") for n in range(4))
    kept = await make_output(world, process, ask(simulate=Simulation()).model_copy(update={"generation_id": old}))
    slow = ask(simulate=Simulation(delay_ms=60_000)).model_copy(update={"generation_id": busy})
    await process.handle(slow, ask().model_copy(update={"generation_id": recent}), CancelRender(generation_id=entombed))
    await world.until(recent, "done")
    await world.until(busy, "running")
    await world.pool.execute(
        "UPDATE jobs SET finished_at = now() - interval '31 days' WHERE generation_id <> $1", recent
    )

    await process.collector.prune()

    assert {row["generation_id"] for row in await world.pool.fetch("SELECT generation_id FROM jobs")} == {busy, recent}
    assert set(world.objects.objects) == kept
    assert await process.collector.sweep() == 0
    await process.handle(GenerationDeleted(generation_id=old))
    await process.collector.collect()
    assert world.objects.objects == {}
    assert await removals(world, old) == []
