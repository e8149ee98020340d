"""Caps on real Postgres: several processes at once, periods that end, counts that agree with the holds."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID, uuid4

import pytest

from atelier_billing import cap_store
from atelier_billing.cap_handlers import handle_caps
from atelier_billing.correction_handlers import handle_corrections
from atelier_billing.handlers import handle_commands
from atelier_contracts import (
    CapSet,
    CaptureCredit,
    CapUse,
    CreditDeclined,
    GrantCredit,
    Message,
    Owner,
    RefundCredit,
    ReserveCredit,
    ReturnCredit,
    SetCap,
    Spender,
    Work,
    cap_id_of,
    wrap,
)
from atelier_contracts.caps import CapPeriod
from atelier_messaging import Delivery, is_outage
from atelier_messaging.testing import becomes, count_waiting

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


KEY = Spender(kind="key", id=uuid4())


async def store_with(ledger: Ledger, credits: int) -> Owner:
    owner = Owner(kind="store", id=uuid4())
    await ledger.handle(GrantCredit(grant_id=uuid4(), owner=owner, credits=credits, reason="test"))
    return owner


async def set_cap(
    ledger: Ledger, owner: Owner, spender: Spender, period: CapPeriod, credits: int | None, *, recount: bool = False
) -> CapUse | None:
    id_ = cap_id_of(owner, spender, period)
    command = SetCap(cap_id=id_, owner=owner, spender=spender, period=period, credits=credits, recount=recount)
    async with ledger.unit.once("billing.caps", [Delivery(wrap(command, source="test"))], dispatch=False) as tx:
        await handle_caps(tx)
    (reply,) = (envelope.message for envelope in tx.emitted)
    assert isinstance(reply, CapSet) and reply.cap_id == id_
    return reply.cap


async def handle(ledger: Ledger, *commands: Message) -> list[Message]:
    """As the consumer does: again, where another process was in the way; what was emitted."""
    deliveries, late_claim = [Delivery(wrap(command, source="test")) for command in commands], True
    while True:
        try:
            async with ledger.unit.once("billing.commands", deliveries, dispatch=False, late_claim=late_claim) as tx:
                await handle_commands(tx)
        except Exception as error:
            if not is_outage(error) and not late_claim:
                raise
            late_claim = False
        else:
            return [envelope.message for envelope in tx.emitted]


def reserve(owner: Owner, n: int = 1, spender: Spender = KEY, id_: UUID | None = None) -> ReserveCredit:
    work = Work(kind="try_on", n=n)
    return ReserveCredit(generation_id=id_ or uuid4(), owner=owner, work=work, spenders=(spender,))


async def uses(ledger: Ledger, owner: Owner) -> dict[tuple[str, str], tuple[int, int]]:
    """Held and captured, by spender and period."""
    found = await cap_store.list_for_owner(ledger.unit.pool, owner, after=None, limit=100)
    return {(cap.spender.kind, cap.period): (cap.held, cap.captured) for cap in found}


def declines(events: Sequence[Message]) -> list[CreditDeclined]:
    return [event for event in events if isinstance(event, CreditDeclined)]


async def test_two_hundred_reservations_at_once_with_room_for_seven_hold_seven(ledger: Ledger, store: Owner) -> None:
    await set_cap(ledger, store, KEY, "day", 7)

    events = await asyncio.gather(*(handle(ledger, reserve(store), reserve(store)) for _ in range(100)))

    refused = [event for batch in events for event in declines(batch)]
    assert len(refused) == 193
    assert {event.reason for event in refused} == {"cap_exceeded"}
    assert await uses(ledger, store) == {("key", "day"): (7, 0)}


async def test_a_batch_that_waited_for_another_sees_what_that_one_counted(ledger: Ledger, store: Owner) -> None:
    other, old = Spender(kind="key", id=uuid4()), uuid4()
    await handle(ledger, reserve(store, 2, other, old))
    await set_cap(ledger, store, KEY, "day", 2)
    first = [Delivery(wrap(c, source="test")) for c in (RefundCredit(generation_id=old), reserve(store, 2))]

    async with ledger.unit.once("billing.commands", first, dispatch=False) as tx:
        await handle_commands(tx)
        second = asyncio.create_task(handle(ledger, reserve(store, 1)))
        await becomes(1, lambda: count_waiting(ledger.unit.pool))

    (refused,) = declines(await second)
    assert refused.cap is not None and refused.cap.held == 2
    assert await uses(ledger, store) == {("key", "day"): (2, 0)}


async def test_a_batch_that_waited_for_a_cap_to_be_lowered_keeps_to_the_new_limit(ledger: Ledger, store: Owner) -> None:
    # Setting a cap does not change the account's row: only the lock on the cap makes the batch read the new limit.
    await set_cap(ledger, store, KEY, "day", 3)
    lowered = SetCap(
        cap_id=cap_id_of(store, KEY, "day"), owner=store, spender=KEY, period="day", credits=1, recount=False
    )

    async with ledger.unit.once("billing.caps", [Delivery(wrap(lowered, source="test"))], dispatch=False) as tx:
        await handle_caps(tx)
        waiting = asyncio.create_task(handle(ledger, reserve(store, 2)))
        await becomes(1, lambda: count_waiting(ledger.unit.pool))

    (refused,) = declines(await waiting)
    assert refused.cap is not None and refused.cap.credits == 1
    assert await uses(ledger, store) == {("key", "day"): (0, 0)}


async def test_batches_under_nested_caps_of_many_stores_never_deadlock_or_overspend(ledger: Ledger) -> None:
    stores = [await store_with(ledger, 100) for _ in range(4)]
    keys = [Spender(kind="key", id=uuid4()) for _ in stores]
    for owner, key in zip(stores, keys, strict=True):
        await set_cap(ledger, owner, Spender(kind="store", id=owner.id), "month", 12)
        await set_cap(ledger, owner, key, "day", 9)
        await set_cap(ledger, owner, key, "total", 50)
    pairs = list(zip(stores, keys, strict=True))

    async def spend(turn: int) -> None:
        ordered = pairs if turn % 2 else pairs[::-1]
        taken = [reserve(owner, spender=key) for owner, key in ordered for _ in range(2)]
        await handle(ledger, *taken)
        await handle(ledger, *(RefundCredit(generation_id=command.generation_id) for command in taken[::2]))

    await asyncio.gather(*(spend(turn) for turn in range(12)))

    for owner, key in pairs:
        counted = await uses(ledger, owner)
        assert len(counted) == 3 and len(set(counted.values())) == 1, counted
        left = 9 - counted["key", "day"][0]
        assert left >= 0
        fill = await handle(ledger, *(reserve(owner, spender=key) for _ in range(left + 1)))
        assert len(declines(fill)) == 1
        assert set((await uses(ledger, owner)).values()) == {(9, 0)}


async def test_what_ends_gives_back_what_was_not_charged(ledger: Ledger, store: Owner) -> None:
    await set_cap(ledger, store, KEY, "day", 10)
    part, whole, none = uuid4(), uuid4(), uuid4()
    await handle(ledger, reserve(store, 4, id_=part), reserve(store, 3, id_=whole), reserve(store, 3, id_=none))

    await handle(
        ledger,
        CaptureCredit(generation_id=part, delivered=1),
        CaptureCredit(generation_id=whole, delivered=3),
        RefundCredit(generation_id=none),
        RefundCredit(generation_id=none),
    )

    assert await uses(ledger, store) == {("key", "day"): (0, 4)}


async def test_a_returned_charge_gives_room_back_in_its_own_period_alone(ledger: Ledger, store: Owner) -> None:
    await set_cap(ledger, store, KEY, "day", 10)
    await set_cap(ledger, store, KEY, "total", 10)
    today, yesterday = uuid4(), uuid4()
    await handle(ledger, reserve(store, 2, id_=yesterday))
    await handle(ledger, CaptureCredit(generation_id=yesterday, delivered=2))
    await end_day(ledger)
    await handle(ledger, reserve(store, 3, id_=today))
    await handle(ledger, CaptureCredit(generation_id=today, delivered=3))
    assert await uses(ledger, store) == {("key", "day"): (0, 3), ("key", "total"): (0, 5)}

    for generation in (today, yesterday):
        command = ReturnCredit(correction_id=uuid4(), generation_id=generation, credits=1, reason="test")
        deliveries = [Delivery(wrap(command, source="test"))]
        async with ledger.unit.once("billing.corrections", deliveries, dispatch=False) as tx:
            await handle_corrections(tx)

    assert await uses(ledger, store) == {("key", "day"): (0, 2), ("key", "total"): (0, 3)}


async def end_day(ledger: Ledger) -> None:
    """What happened so far was yesterday."""
    await ledger.tamper("UPDATE holds SET capped_at = capped_at - interval '1 day'")
    await ledger.tamper("UPDATE caps SET since = since - interval '1 day' WHERE period = 'day'")


async def test_a_hold_that_outlives_its_day_counts_in_the_total_alone(ledger: Ledger, store: Owner) -> None:
    await set_cap(ledger, store, KEY, "day", 3)
    await set_cap(ledger, store, KEY, "total", 9)
    night = uuid4()
    await handle(ledger, reserve(store, 3, id_=night))
    await end_day(ledger)
    assert not declines(await handle(ledger, reserve(store, 2)))

    await handle(ledger, CaptureCredit(generation_id=night, delivered=3))

    assert await uses(ledger, store) == {("key", "day"): (2, 0), ("key", "total"): (2, 3)}


async def test_the_same_reservation_again_counts_once_and_a_poisoned_batch_not_at_all(
    ledger: Ledger, store: Owner
) -> None:
    await set_cap(ledger, store, KEY, "day", 5)
    command = reserve(store, 2)

    await asyncio.gather(*(handle(ledger, command) for _ in range(6)))
    with pytest.raises(RuntimeError, match="dies"):
        await _die_after(ledger, reserve(store, 2))

    assert await uses(ledger, store) == {("key", "day"): (2, 0)}


async def _die_after(ledger: Ledger, command: Message) -> None:
    deliveries = [Delivery(wrap(command, source="test"))]
    async with ledger.unit.once("billing.commands", deliveries, dispatch=False) as tx:
        await handle_commands(tx)
        await tx.flush()
        raise RuntimeError("the process dies")


async def test_a_raised_cap_keeps_its_count_and_a_removed_one_bounds_nothing(ledger: Ledger, store: Owner) -> None:
    await set_cap(ledger, store, KEY, "day", 3)
    await handle(ledger, reserve(store, 3))

    raised = await set_cap(ledger, store, KEY, "day", 5)
    assert raised is not None and (raised.credits, raised.held) == (5, 3)
    assert declines(await handle(ledger, reserve(store, 3)))
    assert await set_cap(ledger, store, KEY, "day", None) is None
    assert not declines(await handle(ledger, reserve(store, 10)))

    again = await set_cap(ledger, store, KEY, "day", 5)
    assert again is not None and again.held == 3, "what was reserved while there was no cap does not count"


async def test_a_cap_of_an_account_that_has_no_credits_yet_can_be_set(ledger: Ledger) -> None:
    nobody = Owner(kind="workspace", id=uuid4())

    cap = await set_cap(ledger, nobody, Spender(kind="user", id=uuid4()), "total", 5)

    assert cap is not None and cap.credits == 5
    assert list(await uses(ledger, nobody)) == [("user", "total")]
