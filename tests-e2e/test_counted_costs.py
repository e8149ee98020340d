"""What a generation costs in statements, commits, frames, messages and WAL, as counted: no clock, so no busy machine
changes it. The limits are in ``counted_costs.toml``; they may only go down."""

import os
import tomllib
from collections.abc import AsyncIterator, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from atelier_local.bench import counters
from atelier_local.bench.builds import Build, this_build
from atelier_local.bench.contenders import AtelierContender, open_contender
from atelier_local.bench.counters import Counts, StackCounters
from atelier_local.bench.growth import grow
from atelier_local.bench.variants import set_caps

LIMITS = Path(__file__).with_name("counted_costs.toml")
TIGHT = 0.7
"""A limit that is further above what was measured would no longer notice a rise."""
ACCOUNTS = 10
ALONE, BATCHED = 25, 250
SETTINGS = {
    "ATELIER_TRACE_RATIO": "0",
    # What is done for all generations of some time: more of it falls on each the slower the machine is. The first of
    # them is counted in services/billing/tests/test_pass_costs.py.
    "ATELIER_BILLING_ISSUE_EVERY_S": "3600",
    "ATELIER_BILLING_CHECKPOINT_EVERY_S": "3600",
    "ATELIER_LOG_VERIFY_EVERY_S": "0",
    "ATELIER_RECONCILE_EVERY_S": "3600",
    "ATELIER_STANDING_CHECK_EVERY_S": "3600",
}


@pytest.fixture(autouse=True)
def books_balance() -> None:
    """The stack that all tests share is not used, so it is not started; the books here are proved below."""


@pytest.fixture(scope="module")
def build() -> Iterator[Build]:
    """A stack that no other test uses: what they left running would be counted, too."""
    running = this_build(f"counted-{os.getpid()}")
    try:
        running.up(SETTINGS)
        yield running
    finally:
        running.clean()


@pytest.fixture(scope="module")
async def atelier(build: Build) -> AsyncIterator[AtelierContender]:
    async with open_contender(build, ACCOUNTS) as opened:
        yield opened


@pytest.fixture(scope="module")
async def counting(atelier: AtelierContender) -> AsyncIterator[StackCounters]:
    async with counters.open_counters(atelier.build.database_url("postgres"), atelier.connection) as opened:
        yield opened


async def test_a_generation_alone_costs_no_more_than_its_limits(
    atelier: AtelierContender, counting: StackCounters
) -> None:
    # One account: the gateway looks a key up again after some seconds, and how often that is depends on the machine.
    measured = await counting.count_each(lambda: atelier.load(1, ALONE, accounts=1), ALONE)

    assert _complaints("alone", measured, is_tight=True) == [], measured


async def test_generations_in_a_batch_cost_no_more_than_their_limits(
    atelier: AtelierContender, counting: StackCounters
) -> None:
    measured = await counting.count_each(lambda: atelier.load(50, BATCHED), BATCHED)

    assert _complaints("batched", measured, is_tight=False) == [], measured
    assert await atelier.verify() > 0


async def test_caps_cost_a_generation_at_most_one_statement_more(
    atelier: AtelierContender, counting: StackCounters
) -> None:
    """Six caps over each: of the store and of its key, a day, a month and in total; in batches, where loops that look
    every second weigh nothing."""

    async def measure() -> Counts:
        return await counting.count_each(lambda: atelier.load(50, BATCHED), BATCHED)

    without = await measure()
    await set_caps(atelier.admin)
    with_caps = await measure()

    assert with_caps.by_service["billing"] <= without.by_service["billing"] + 1, (with_caps, without)
    # Half a statement more: loops of all services that look every second are in the sum.
    assert with_caps.statements <= without.statements + 1.5, (with_caps, without)
    used = await atelier.admin.ask("list caps", "GET", f"/v1/admin/caps/store/{(await _stores(atelier))[0]['id']}")
    assert len(used["data"]) == 6 and all(cap["captured"] for cap in used["data"]), used


async def test_a_grown_stack_has_the_same_generations_in_every_service_and_goes_on(atelier: AtelierContender) -> None:
    """Last on this stack: the copies move no balances, so its books are no longer right."""
    before = await _ids(atelier.build)

    rows = await grow(atelier.build, 500)

    after = await _ids(atelier.build)
    added = {service: len(ids) - len(before[service]) for service, ids in after.items()}
    assert set(added.values()) == {500}
    assert after["gateway"] == after["session"] == after["billing"] == after["render"]
    assert rows > 8 * 500
    assert len((await atelier.load(10, 20)).journeys_s) == 20


def test_a_limit_that_went_up_says_why() -> None:
    histories = [
        (f"{group}.{name}", history)
        for group, limits in tomllib.loads(LIMITS.read_text()).items()
        for name, history in limits.items()
    ]

    unexplained = [
        name
        for name, history in histories
        for earlier, later in pairwise(history)
        if later["limit"] >= earlier["limit"] and not later.get("reason", "").strip()
    ]

    assert histories
    assert unexplained == []


async def _stores(atelier: AtelierContender) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await atelier.admin.ask("list stores", "GET", "/v1/admin/stores?limit=100"))["data"]
    return found


async def _ids(build: Build) -> dict[str, set[str]]:
    """Each service's generations."""
    found = {}
    for service, table in (("gateway", "generations"), ("session", "sagas"), ("billing", "holds"), ("render", "jobs")):
        connection = await asyncpg.connect(build.database_url(service))
        column = "id" if service == "gateway" else "generation_id"
        found[service] = {str(row[0]) for row in await connection.fetch(f"SELECT {column} FROM {table}")}
        await connection.close()
    return found


def _complaints(group: str, measured: Counts, *, is_tight: bool) -> list[str]:
    """Each value above its limit, and each limit that is far above its value."""
    complaints = []
    for name, history in tomllib.loads(LIMITS.read_text())[group].items():
        limit = history[-1]["limit"]
        value = measured.by_service[name] if name in measured.by_service else getattr(measured, name)
        if value > limit:
            complaints.append(f"{group}.{name} rose to {value:.1f}, its limit is {limit}")
        elif is_tight and value < TIGHT * limit:
            complaints.append(
                f"{group}.{name} fell to {value:.1f}: add {{ limit = {value * 1.02:.1f} }} to {LIMITS.name}"
            )
    return complaints
