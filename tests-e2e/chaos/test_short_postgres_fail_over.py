"""A primary Postgres that dies, in short: ``make chaos`` does it with more generations in flight."""

from collections.abc import AsyncIterator

import pytest

from chaos import postgres_fail_over
from chaos.run import SETTINGS
from whole_system.own_stack import own_world
from whole_system.world import World


@pytest.fixture(scope="module")
async def world() -> AsyncIterator[World]:
    async with own_world("standby", SETTINGS) as opened:
        yield opened


@pytest.mark.timeout(400)
async def test_a_standby_that_takes_over_has_every_credit_and_every_generation_ends(world: World) -> None:
    lines: list[str] = []

    assert await postgres_fail_over.run(world, lines.append, generations=12) == [], lines
