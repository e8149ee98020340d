"""Turns are shared between owners: a backlog delays only its own owner."""

import asyncio
from uuid import UUID

import pytest

from atelier_contracts import Owner
from atelier_gateway.media.fair_turns import FairTurns

MANY, FEW, OTHER = (Owner(kind="store", id=UUID(int=number)) for number in (1, 2, 3))
LONG_S = 60.0


class Bench:
    """Takes turns and writes down who got one, in order; a turn lasts until it is ended."""

    def __init__(self, turns: FairTurns) -> None:
        self.turns = turns
        self.served: list[Owner] = []
        self.ends: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def ask(self, *owners: Owner) -> None:
        for owner in owners:
            self.tasks.append(asyncio.create_task(self._hold(owner)))
            await asyncio.sleep(0)

    async def end(self, index: int) -> None:
        self.ends[index].set()
        for _ in range(5):
            await asyncio.sleep(0)

    async def _hold(self, owner: Owner) -> None:
        async with self.turns.turn(owner, timeout_s=LONG_S):
            self.served.append(owner)
            self.ends.append(asyncio.Event())
            await self.ends[-1].wait()


async def test_an_owner_that_brings_little_is_served_before_the_backlog_of_one_that_brings_much() -> None:
    bench = Bench(FairTurns(at_once=1, per_owner=1))
    await bench.ask(MANY, MANY, MANY, MANY, FEW)

    for index in range(5):
        await bench.end(index)

    assert bench.served == [MANY, MANY, FEW, MANY, MANY]


async def test_one_owner_leaves_turns_for_the_others() -> None:
    bench = Bench(FairTurns(at_once=2, per_owner=1))

    await bench.ask(MANY, MANY, MANY)
    assert bench.served == [MANY]
    await bench.ask(FEW)

    assert bench.served == [MANY, FEW]
    for index in range(4):
        await bench.end(index)
    await asyncio.gather(*bench.tasks)


async def test_owners_that_wait_are_served_round_and_round() -> None:
    bench = Bench(FairTurns(at_once=1, per_owner=1))
    await bench.ask(MANY, MANY, MANY, FEW, FEW, OTHER)

    for index in range(6):
        await bench.end(index)

    assert bench.served == [MANY, MANY, FEW, OTHER, MANY, FEW]


async def test_who_no_longer_waits_takes_no_turn() -> None:
    turns = FairTurns(at_once=1, per_owner=1)
    bench = Bench(turns)
    await bench.ask(MANY, FEW, OTHER)

    bench.tasks[1].cancel()
    with pytest.raises(TimeoutError):
        async with turns.turn(FEW, timeout_s=0.0):
            raise AssertionError("there was no turn")
    await bench.end(0)
    assert bench.served == [MANY, OTHER]
    await bench.end(1)

    async with turns.turn(MANY, timeout_s=LONG_S):
        pass
    await asyncio.gather(*bench.tasks, return_exceptions=True)


async def test_a_turn_is_given_back_when_its_block_fails() -> None:
    turns = FairTurns(at_once=1, per_owner=1)

    with pytest.raises(RuntimeError):
        async with turns.turn(MANY, timeout_s=LONG_S):
            raise RuntimeError("the picture killed its worker")

    async with turns.turn(FEW, timeout_s=LONG_S):
        pass
