"""A batch of events is read without a lock and written in one statement; whatever comes between, no change is lost."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from atelier_contracts import RenderProgressed, wrap
from atelier_gateway.disputes.settlement import DisputeSettler
from atelier_gateway.generations.projector import Projector
from atelier_gateway.projection import unlocked_changes
from atelier_gateway.projection.waiter import GenerationWaiter
from atelier_gateway.webhooks.enqueuer import DeliveryEnqueuer
from atelier_messaging import Delivery, Transaction
from atelier_messaging.writes import WriteConflict

from ..support.native import create
from ..support.world import World

pytestmark = pytest.mark.stack


async def test_a_change_that_came_between_undoes_the_whole_batch(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    generation, untouched = await _create_two(world)
    read = unlocked_changes.read

    async def read_then_lose_the_race(tx: Transaction, ids: Any) -> Any:
        found = await read(tx, ids)
        await world.pool.execute("UPDATE generations SET progress = 80 WHERE id = $1", generation)
        return found

    monkeypatch.setattr(unlocked_changes, "read", read_then_lose_the_race)
    with pytest.raises(WriteConflict):
        await _project(world, [generation, untouched], late_claim=True)

    assert await _progress(world, generation) == 80
    assert await _progress(world, untouched) == 0
    assert await world.pool.fetchval("SELECT count(*) FROM inbox WHERE consumer = 'tests'") == 0


async def test_with_and_without_locks_a_batch_ends_in_the_same_rows(world: World) -> None:
    first, second = await _create_two(world)

    await _project(world, [first], late_claim=True)
    await _project(world, [second], late_claim=False)

    rows = [dict(row) for id_ in (first, second) for row in await world.pool.fetch(_SHOWN, id_)]
    assert rows[0] == rows[1]
    assert rows[0]["progress"] == 50 and rows[0]["events"] == ["queued", "rendering"]


_SHOWN = """
SELECT state, rank, progress, credits_reserved, started_at, (
    SELECT array_agg(state ORDER BY id) FROM generation_events WHERE generation_id = g.id
) AS events, (
    SELECT array_agg(type ORDER BY position) FROM public_events WHERE subject = g.id
) AS facts
FROM generations g WHERE id = $1
"""
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def _create_two(world: World) -> list[UUID]:
    _, headers = await world.user()
    return [await create(world, headers) for _ in range(2)]


async def _project(world: World, ids: list[UUID], *, late_claim: bool) -> None:
    enqueuer = DeliveryEnqueuer(lambda _: {}, lambda: None)
    projector = Projector(GenerationWaiter(world.pool), enqueuer, DisputeSettler(enqueuer))
    events = [RenderProgressed(generation_id=id_, progress=50) for id_ in ids]
    deliveries = [Delivery(replace(wrap(event, source="atelier/render"), time=AT)) for event in events]
    async with world.container.bus.unit.once("tests", deliveries, late_claim=late_claim) as tx:
        await projector.apply(tx, tx.fresh)


async def _progress(world: World, id_: UUID) -> int:
    return int(await world.pool.fetchval("SELECT progress FROM generations WHERE id = $1", id_))
