"""Twenty nested caps under many clients, in short: ``python -m chaos.caps`` does 100 000 creates."""

import pytest

from chaos import caps
from whole_system.world import World


@pytest.mark.timeout(600)
async def test_clients_at_once_under_nested_caps_overspend_nothing_and_are_not_refused_while_there_is_room(
    world: World,
) -> None:
    report = await caps.run(world, 2_000, clients=100)

    assert report.wrong == [], report.lines
    assert {answer.status for answer in report.answers} == {201, 402}
