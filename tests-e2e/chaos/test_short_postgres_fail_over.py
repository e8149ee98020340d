"""A primary Postgres that dies, in short: ``make chaos`` does it with more generations in flight."""

from collections.abc import AsyncIterator, Iterator

import pytest

from atelier_local.launcher.stack import Stack
from chaos import postgres_fail_over
from chaos.run import SETTINGS
from whole_system.own_stack import own_stack
from whole_system.world import World


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with own_stack("standby", SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with World.of(stack) as opened:
        yield opened


@pytest.mark.timeout(400)
async def test_a_standby_that_takes_over_has_every_credit_and_every_generation_ends(world: World) -> None:
    lines: list[str] = []

    assert await postgres_fail_over.run(world, lines.append, generations=12) == [], lines
