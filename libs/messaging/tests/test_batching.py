"""Natural batching: one group at work, the next one gathering; each submitter gets its own answer, come what may."""

import asyncio
from collections.abc import Sequence

import pytest

from atelier_messaging import Batcher, Overloaded
from atelier_messaging.testing import happens


class Gate:
    """A ``run`` that doubles its items, keeps the groups it saw, and waits at a closed gate."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.entered = asyncio.Event()
        self.open = asyncio.Event()

    async def run(self, items: Sequence[int]) -> list[int]:
        self.groups.append(list(items))
        self.entered.set()
        await self.open.wait()
        if 13 in items:
            raise ValueError("thirteen")
        return [item * 2 for item in items]


async def test_what_arrives_during_one_group_becomes_the_next() -> None:
    gate = Gate()
    batcher = Batcher(gate.run, batch_max=10)

    tasks = await _submit_all(batcher, gate, [1], [2, 3, 4])
    gate.open.set()

    assert await asyncio.gather(*tasks) == [2, 4, 6, 8]
    assert gate.groups == [[1], [2, 3, 4]]


async def test_no_group_is_larger_than_allowed() -> None:
    gate = Gate()
    batcher = Batcher(gate.run, batch_max=2)

    tasks = await _submit_all(batcher, gate, [1], [2, 3, 4, 5, 6])
    gate.open.set()
    await asyncio.gather(*tasks)

    assert gate.groups == [[1], [2, 3], [4, 5], [6]]


async def test_an_error_reaches_each_submitter_of_its_group_and_no_other() -> None:
    gate = Gate()
    batcher = Batcher(gate.run, batch_max=2)

    tasks = await _submit_all(batcher, gate, [1], [13, 14, 15])
    gate.open.set()
    answers = await asyncio.gather(*tasks, return_exceptions=True)

    assert answers[0] == 2
    assert [str(answer) for answer in answers[1:3]] == ["thirteen", "thirteen"]
    assert answers[3] == 30


async def test_a_run_that_answers_too_few_strands_nobody() -> None:
    async def forgetful(items: Sequence[int]) -> list[int]:
        return [0 for _ in items[1:]]

    with pytest.raises(AssertionError, match="0 results for 1 items"):
        await asyncio.wait_for(Batcher(forgetful, batch_max=10).submit(1), 60)


async def test_a_cancelled_run_strands_nobody() -> None:
    gate = Gate()

    async def shut_down(items: Sequence[int]) -> list[int]:
        await gate.run(items)
        raise asyncio.CancelledError

    tasks = await _submit_all(Batcher(shut_down, batch_max=1), gate, [1], [2, 3])
    gate.open.set()
    answers = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 60)

    assert [type(answer) for answer in answers] == [ConnectionError] * 3


async def test_too_many_waiting_are_refused_and_the_others_answered() -> None:
    gate = Gate()
    batcher = Batcher(gate.run, batch_max=10, waiting_max=2)

    tasks = await _submit_all(batcher, gate, [1], [2, 3])
    with pytest.raises(Overloaded):
        await batcher.submit(4)
    gate.open.set()

    assert await asyncio.gather(*tasks) == [2, 4, 6]


async def test_cancelling_one_waiter_harms_no_other() -> None:
    gate = Gate()
    batcher = Batcher(gate.run, batch_max=10)

    at_work, neighbour, waiting, other = await _submit_all(batcher, gate, [1], [2, 3, 4])
    at_work.cancel()
    waiting.cancel()
    gate.open.set()

    assert [await neighbour, await other] == [4, 8]
    assert at_work.cancelled() or at_work.cancelling()


async def test_draining_waits_for_all() -> None:
    gate = Gate()
    batcher = Batcher(gate.run, batch_max=1)
    tasks = await _submit_all(batcher, gate, [1], [2, 3])

    draining = asyncio.create_task(batcher.drain())
    await asyncio.sleep(0)
    assert not draining.done()
    gate.open.set()
    await draining

    assert gate.groups == [[1], [2], [3]]
    assert await asyncio.gather(*tasks) == [2, 4, 6]


async def test_draining_an_idle_batcher_returns_at_once() -> None:
    await asyncio.wait_for(Batcher(Gate().run, batch_max=1).drain(), 60)


async def _submit_all(
    batcher: Batcher[int, int], gate: Gate, first: Sequence[int], then: Sequence[int]
) -> list[asyncio.Task[int]]:
    """Submits ``first``, waits until it is at work, then submits the others behind it."""
    tasks = [asyncio.create_task(batcher.submit(item)) for item in first]
    await happens(gate.entered)
    tasks += [asyncio.create_task(batcher.submit(item)) for item in then]
    await asyncio.sleep(0)
    return tasks
