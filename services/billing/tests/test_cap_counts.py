"""What counts towards caps: what changes it, what refusals and events say, what a wrong count leads to."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from atelier_contracts import CapReached, CaptureCredit, Owner, RefundCredit, cap_id_of

from .test_caps_on_postgres import KEY, declines, handle, reserve, set_cap, store_with, uses
from .test_proofs import Ledger, ledger_on

pytestmark = pytest.mark.stack


@pytest.fixture
async def ledger(postgres: str) -> AsyncIterator[Ledger]:
    async with ledger_on(postgres) as opened:
        yield opened
        found = (await opened.verdict()).violations + (await opened.proof())["violations"]
        assert found == []


@pytest.fixture
async def store(ledger: Ledger) -> Owner:
    return await store_with(ledger, 1_000)


async def test_only_credits_that_go_back_change_the_count_of_a_cap(ledger: Ledger, store: Owner) -> None:
    await set_cap(ledger, store, KEY, "day", 50)
    written = "SELECT xmin::text FROM caps"
    whole, part, none, reused = (uuid4() for _ in range(4))
    await handle(ledger, *(reserve(store, 2, id_=id_) for id_ in (whole, part, none, reused)))
    placed = await ledger.unit.pool.fetchval(written)

    await handle(ledger, CaptureCredit(generation_id=whole, delivered=2))
    after_whole = await ledger.unit.pool.fetchval(written), await uses(ledger, store)
    await handle(ledger, CaptureCredit(generation_id=part, delivered=1))
    after_part = await uses(ledger, store)
    await handle(
        ledger, RefundCredit(generation_id=none), CaptureCredit(generation_id=reused, delivered=1, reused=True)
    )

    assert after_whole == (placed, {("key", "day"): (6, 2)})
    assert after_part == {("key", "day"): (4, 3)}
    charged = await ledger.unit.pool.fetchval("SELECT captured FROM holds WHERE generation_id = $1", reused)
    assert await uses(ledger, store) == {("key", "day"): (0, 3 + charged)}


async def test_a_refusal_says_what_is_held_by_its_own_batch_and_before(ledger: Ledger, store: Owner) -> None:
    await set_cap(ledger, store, KEY, "total", 9)
    old, open_ = uuid4(), uuid4()
    await handle(ledger, reserve(store, 3, id_=old), reserve(store, 2, id_=open_))

    events = await handle(ledger, reserve(store, 1), CaptureCredit(generation_id=old, delivered=3), reserve(store, 4))

    (refused,) = declines(events)
    assert refused.cap is not None and (refused.cap.held, refused.cap.captured) == (3, 3)
    (full,) = [event for event in events if isinstance(event, CapReached)]
    assert (full.percent, full.cap) == (100, refused.cap)


async def test_a_count_that_an_earlier_version_keeps_apart_is_read_as_one(ledger: Ledger, store: Owner) -> None:
    await set_cap(ledger, store, KEY, "day", 9)
    done, open_ = uuid4(), uuid4()
    await handle(ledger, reserve(store, 3, id_=done), reserve(store, 4, id_=open_))
    await handle(ledger, CaptureCredit(generation_id=done, delivered=3))
    # As that version writes it when it captures.
    await ledger.tamper("UPDATE caps SET held = held - 3, captured = captured + 3")

    assert (await ledger.verdict()).violations == []
    assert await uses(ledger, store) == {("key", "day"): (4, 3)}
    assert declines(await handle(ledger, reserve(store, 3)))
    await handle(ledger, CaptureCredit(generation_id=open_, delivered=1), reserve(store, 5))

    assert await uses(ledger, store) == {("key", "day"): (5, 4)}


async def test_a_percentage_is_announced_once_by_an_event(ledger: Ledger, store: Owner) -> None:
    await set_cap(ledger, store, KEY, "month", 10)

    events = [event for n in (4, 1, 4, 1, 1) for event in await handle(ledger, reserve(store, n))]

    reached = [event for event in events if isinstance(event, CapReached)]
    assert [(event.percent, event.cap.held) for event in reached] == [(50, 5), (80, 9), (100, 10)]
    assert {event.cap.owner for event in reached} == {store}


async def test_a_count_that_is_wrong_is_named_and_counted_again(ledger: Ledger, store: Owner) -> None:
    await set_cap(ledger, store, KEY, "day", 50)
    await set_cap(ledger, store, KEY, "total", 50)
    done = uuid4()
    await handle(ledger, reserve(store, 4), reserve(store, 3, id_=done))
    await handle(ledger, CaptureCredit(generation_id=done, delivered=2))
    await ledger.tamper("UPDATE caps SET held = 1, captured = 2")

    day, total = (cap_id_of(store, KEY, period) for period in ("day", "total"))
    found = (await ledger.verdict()).violations
    assert sorted(found) == sorted(
        [
            f"every cap counts what open holds hold: cap {day}: counts 3, open holds 4",
            f"every cap counts what open holds hold: cap {total}: counts 3, open holds 4",
            f"every cap of a day counts what its holds come to: cap {day}: counts 3, its holds 6",
        ]
    )
    assert (
        f"every cap counts what its holds come to: cap {total}: counts 3, its holds 6"
        in (await ledger.proof())["violations"]
    )

    for period in ("day", "total"):
        await set_cap(ledger, store, KEY, period, 50, recount=True)

    assert await uses(ledger, store) == {("key", "day"): (4, 2), ("key", "total"): (4, 2)}
