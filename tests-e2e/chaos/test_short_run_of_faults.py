"""Chaos in seconds: a steady load, a few faults at exact steps, then every invariant. ``make chaos`` does them all."""

import pytest

from chaos.run import Plan, run
from whole_system.world import World

FAULTS = (
    "kill session after_commit",
    "repeat old messages",
    "kill billing before_ack",
    "cut postgres connections",
    "kill render before_commit",
    "poison",
)


async def test_a_wiped_broker_ends_or_refunds_every_generation(world: World) -> None:
    lines: list[str] = []

    findings = await run(world, Plan(21, ("wipe broker",), pause_s=3.0, slow=False), lines.append)

    assert "made anew, empty" in "".join(lines)
    assert findings.violations == [], findings.report()


@pytest.mark.parametrize("seed", [20])
async def test_faults_under_load_leave_every_invariant_standing(world: World, seed: int) -> None:
    lines: list[str] = []

    findings = await run(world, Plan(seed, FAULTS, pause_s=0.4, slow=False), lines.append)

    assert findings.violations == [], findings.report()
    assert len(findings.load.requests) > len(FAULTS)
