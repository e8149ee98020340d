"""Clients that are gone, and a rolling restart, in short: ``make chaos`` does them at length."""

import pytest

from chaos import client_gone, rolling_restart
from whole_system.world import World


async def test_clients_that_are_gone_at_any_byte_pay_for_nothing_they_did_not_get(world: World) -> None:
    lines: list[str] = []

    assert await client_gone.run(world, lines.append, each=1) == [], lines


@pytest.mark.timeout(600)  # six processes start, one after another
async def test_replicas_that_are_restarted_one_after_another_fail_nobody(world: World) -> None:
    lines: list[str] = []

    wrong = await rolling_restart.run(world, lines.append, seconds=2, per_second=4, services=("gateway", "billing"))

    assert wrong == [], lines
