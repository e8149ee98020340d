"""Followers of generations share the statements that read events, and each gets what it has not seen."""

import asyncio
from typing import Any, cast
from uuid import UUID

import pytest

from atelier_gateway.projection.event_log import EventReader
from atelier_messaging.database import Pool

from ..support.event_streams import render_and_fail
from ..support.native import create
from ..support.world import World

pytestmark = pytest.mark.stack
FOLLOWERS = 20


class CountingPool:
    """Counts statements."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.statements = 0

    async def fetch(self, *arguments: Any) -> Any:
        self.statements += 1
        return await self._pool.fetch(*arguments)


async def test_all_followers_that_look_together_share_one_statement(world: World) -> None:
    _, headers = await world.user()
    first, second = [await _ended(world, headers) for _ in range(2)]
    pool = CountingPool(world.pool)
    reader = EventReader(cast(Pool, pool))

    of_first = await asyncio.gather(*(reader.list_after(first, 0) for _ in range(FOLLOWERS)))
    together = await asyncio.gather(reader.list_after(first, of_first[0][1].id), reader.list_after(second, 0))

    assert pool.statements == 2
    assert [[event.state for event in events] for events in of_first] == [_STATES] * FOLLOWERS
    assert [[event.state for event in events] for events in together] == [_STATES[2:], _STATES]


_STATES = ["queued", "rendering", "rendering", "failed"]


async def _ended(world: World, headers: dict[str, str]) -> UUID:
    generation = await create(world, headers)
    await render_and_fail(world, generation)
    return generation
