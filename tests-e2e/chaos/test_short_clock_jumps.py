"""The clocks of all services jump an hour ahead and an hour back under load, in short: ``make chaos`` does it again and
again."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from chaos import clock_faults
from chaos.run import SETTINGS, Plan, run
from chaos.schedule import SERVICES
from whole_system.own_stack import own_world
from whole_system.world import World

NAMES = ("clocks of the services ahead", "clocks of the services behind")


@pytest.fixture(scope="module")
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    folder = tmp_path_factory.mktemp("failpoints")
    clocks = clock_faults.settings(folder)
    assert clocks, "libfaketime is not installed: deploy/local/bootstrap.sh --tests"
    async with own_world("clocks", {**SETTINGS, "ATELIER_FAILPOINTS": str(folder), **clocks}) as opened:
        yield opened
    clock_faults.remove_leftovers()


@pytest.mark.timeout(400)
async def test_a_jump_of_the_services_clocks_leaves_every_invariant_standing(world: World) -> None:
    began, lines = datetime.now(UTC), list[str]()

    findings = await run(world, Plan(22, NAMES, pause_s=0.4, slow=False), lines.append)

    assert findings.violations == [], findings.report()
    jumps = _jumps(world, began)
    assert min(jumps) < timedelta(minutes=-50), "no service had a clock that was behind"
    assert max(jumps) > timedelta(minutes=50), "no service had a clock that was ahead"


def _jumps(world: World, began: datetime) -> list[timedelta]:
    """How far from the beginning of the run the services believed to be, by their logs."""
    times = []
    for service in SERVICES:
        for line in (world.stack.profile.logs / f"{service}.log").read_text(errors="replace").splitlines():
            with suppress(ValueError, KeyError, TypeError):
                times.append(datetime.fromisoformat(json.loads(line)["time"]) - began)
    return times
