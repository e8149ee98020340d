"""Caps, on the pure rules: what counts, for how long, who is refused, and what is announced."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from atelier_billing import caps, corrections, ledger
from atelier_billing.books import Account, Books
from atelier_billing.caps import FOR_GOOD, Cap, period_end, period_start
from atelier_billing.corrections import Charge
from atelier_contracts import (
    CaptureCredit,
    CreditDeclined,
    CreditDeducted,
    GrantCredit,
    Owner,
    RefundCredit,
    ReserveCredit,
    ReturnCredit,
    Spender,
    Work,
    cap_id_of,
)
from atelier_contracts.caps import CapPeriod

NOW = datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC)
MIDNIGHT = datetime(2026, 2, 1, tzinfo=UTC)
DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
OWNER = Owner(kind="store", id=UUID(int=1))
STORE, KEY, OTHER_KEY = (
    Spender(kind="store", id=OWNER.id),
    Spender(kind="key", id=UUID(int=2)),
    Spender(kind="key", id=UUID(int=3)),
)


def books(*made: Cap, now: datetime = NOW) -> Books:
    """Books of one owner with 100 credits and these caps."""
    opened = Books(now=now, caps={cap.id: cap for cap in made})
    ledger.apply(opened, GrantCredit(grant_id=UUID(int=9), owner=OWNER, credits=100, reason="test"))
    return opened


def cap(spender: Spender, period: CapPeriod, credits: int, at: datetime = NOW) -> Cap:
    return Cap(cap_id_of(OWNER, spender, period), OWNER, spender, period, credits, period_start(period, at))


def reserve(number: int, n: int = 1, key: Spender = KEY) -> ReserveCredit:
    work = Work(kind="try_on", n=n)
    return ReserveCredit(generation_id=UUID(int=100 + number), owner=OWNER, work=work, spenders=(key,))


def declined(opened: Books, command: ReserveCredit) -> CreditDeclined:
    event = ledger.apply(opened, command)
    assert isinstance(event, CreditDeclined), event
    return event


def test_a_cap_holds_to_the_last_credit_and_refuses_the_next() -> None:
    opened = books(cap(KEY, "day", 5))
    assert isinstance(ledger.apply(opened, reserve(1, n=5)), CreditDeducted)

    refusal = declined(opened, reserve(2))

    assert (refusal.reason, refusal.required, refusal.available) == ("cap_exceeded", 1, 95)
    assert refusal.cap is not None
    assert (refusal.cap.spender, refusal.cap.credits, refusal.cap.held, refusal.cap.captured) == (KEY, 5, 5, 0)
    assert refusal.cap.renews_at == MIDNIGHT


def test_another_keys_cap_bounds_nobody_else() -> None:
    opened = books(cap(KEY, "day", 0))

    assert isinstance(ledger.apply(opened, reserve(1, key=OTHER_KEY)), CreditDeducted)


def test_nested_caps_are_checked_together_and_a_refusal_counts_towards_none() -> None:
    key, store = cap(KEY, "total", 10), cap(STORE, "day", 4)
    opened = books(key, store)
    ledger.apply(opened, reserve(1, n=3))

    refusal = declined(opened, reserve(2, n=2))

    assert refusal.cap is not None and refusal.cap.spender == STORE
    assert (key.used, store.used) == (3, 3)


def test_of_two_caps_that_refuse_the_one_that_lasts_longest_is_named() -> None:
    opened = books(cap(KEY, "day", 0), cap(STORE, "month", 0), cap(KEY, "month", 1))

    refusal = declined(opened, reserve(1))

    assert refusal.cap is not None and (refusal.cap.spender, refusal.cap.period) == (STORE, "month")


def test_what_is_captured_counts_and_what_is_refunded_is_room_again() -> None:
    day = cap(KEY, "day", 6)
    opened = books(day)
    ledger.apply(opened, reserve(1, n=4))
    ledger.apply(opened, reserve(2, n=2))

    ledger.apply(opened, CaptureCredit(generation_id=UUID(int=101), delivered=1))
    ledger.apply(opened, RefundCredit(generation_id=UUID(int=102)))

    assert (day.held, day.captured) == (0, 1)
    assert isinstance(ledger.apply(opened, reserve(3, n=5)), CreditDeducted)


def test_a_returned_charge_is_room_again() -> None:
    day = cap(KEY, "day", 4)
    opened = books(day)
    ledger.apply(opened, reserve(1, n=4))
    ledger.apply(opened, CaptureCredit(generation_id=UUID(int=101), delivered=4))
    command = ReturnCredit(correction_id=UUID(int=7), generation_id=UUID(int=101), credits=3, reason="test")

    corrections.return_credit(opened, command, Charge(UUID(int=101), OWNER.id, {UUID(int=9): 4}))

    assert (day.held, day.captured) == (0, 1)


def test_a_new_period_begins_with_nothing_used() -> None:
    day, month, total = cap(KEY, "day", 3), cap(KEY, "month", 3), cap(KEY, "total", 6)
    ledger.apply(books(day, month, total), reserve(1, n=3))

    assert isinstance(ledger.apply(books(day, month, total, now=MIDNIGHT), reserve(2, n=3)), CreditDeducted)

    assert (day.used, month.used, total.used) == (3, 3, 6)
    assert day.since == month.since == MIDNIGHT


def test_what_was_reserved_yesterday_neither_counts_today_nor_gives_room_when_it_ends() -> None:
    day, total = cap(KEY, "day", 3), cap(KEY, "total", 9)
    before = books(day, total)
    ledger.apply(before, reserve(1, n=3))
    today = books(day, total, now=MIDNIGHT)
    ledger.apply(today, reserve(2, n=2))
    today.holds |= before.holds
    today.wallets[OWNER.id].balances[Account.HELD] += 3

    ledger.apply(today, RefundCredit(generation_id=UUID(int=101)))

    assert (day.held, day.captured, total.held) == (2, 0, 2)


def test_a_slow_clock_counts_in_the_period_that_a_faster_one_has_begun() -> None:
    day = cap(KEY, "day", 3, at=MIDNIGHT)
    opened = books(day, now=NOW)

    ledger.apply(opened, reserve(1, n=3))

    assert (day.since, day.used) == (MIDNIGHT, 3)
    assert opened.holds[UUID(int=101)].capped_at == MIDNIGHT


def test_half_four_fifths_and_all_are_announced_once() -> None:
    opened = books(cap(KEY, "day", 10))

    for number, n in enumerate((4, 1, 2, 1, 1)):
        ledger.apply(opened, reserve(number, n=n))
    ledger.apply(opened, RefundCredit(generation_id=UUID(int=100)))
    ledger.apply(opened, reserve(9, n=4))
    ledger.apply(opened, reserve(10))

    assert [(reached.percent, reached.cap.held) for reached in opened.reached] == [(50, 5), (80, 8), (100, 10)]


def test_a_cap_that_refuses_is_announced_as_full_once() -> None:
    opened = books(cap(KEY, "day", 10))
    ledger.apply(opened, reserve(1, n=9))

    for number in (2, 3):
        declined(opened, reserve(number, n=2))

    assert [reached.percent for reached in opened.reached] == [80, 100]


def test_a_declined_reservation_for_lack_of_credits_touches_no_cap() -> None:
    day = cap(KEY, "day", 0)
    opened = Books(now=NOW, caps={day.id: day})

    assert declined(opened, reserve(1)).reason == "insufficient_credits"

    assert not opened.changed_caps


@pytest.mark.parametrize(
    ("period", "at", "start", "end"),
    [
        ("day", NOW, datetime(2026, 1, 31, tzinfo=UTC), MIDNIGHT),
        ("month", NOW, datetime(2026, 1, 1, tzinfo=UTC), MIDNIGHT),
        (
            "month",
            datetime(2026, 12, 5, tzinfo=UTC),
            datetime(2026, 12, 1, tzinfo=UTC),
            datetime(2027, 1, 1, tzinfo=UTC),
        ),
        ("total", NOW, FOR_GOOD, None),
    ],
    ids=("day", "month", "december", "total"),
)
def test_periods_begin_at_midnight_utc(period: CapPeriod, at: datetime, start: datetime, end: datetime | None) -> None:
    elsewhere = at.astimezone(timezone(timedelta(hours=9)))

    assert period_start(period, elsewhere) == start
    assert period_end(period, start) == end


def test_the_id_of_a_cap_follows_from_what_it_is_on() -> None:
    assert cap_id_of(OWNER, KEY, "day") == cap_id_of(OWNER, KEY, "day")
    assert len({cap_id_of(OWNER, spender, period) for spender in (STORE, KEY) for period in caps.LASTING}) == 6
