"""Backup and restore: a drill under load on stacks of their own, and what a restore refuses."""

import pytest

from chaos import backup_drill
from chaos.run import SETTINGS
from whole_system.own_stack import own_stack
from whole_system.world import World


@pytest.fixture(autouse=True)
def books_balance() -> None:
    """These tests have stacks of their own, and prove their books themselves."""


@pytest.mark.timeout(560)  # two stacks start, one after the other
async def test_what_was_accepted_before_the_cut_ends_once_after_everything_was_lost() -> None:
    lines: list[str] = []
    with own_stack("drill", SETTINGS) as stack:
        async with World.of(stack) as world:
            wrong = await backup_drill.run(world, lines.append)

    assert wrong == [], lines
