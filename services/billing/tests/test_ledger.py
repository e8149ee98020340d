"""The ledger's promises, on the pure rules."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from atelier_billing import ledger
from atelier_billing.books import Account, Books, HoldState, PostingKind
from atelier_contracts import (
    CaptureCredit,
    CreditCaptured,
    CreditDeclined,
    CreditDeducted,
    CreditGranted,
    CreditRefunded,
    GrantCredit,
    GrantExpired,
    Owner,
    RefundCredit,
    ReserveCredit,
    Work,
)
from atelier_contracts.value_objects import id_of_test_account
from atelier_messaging import Poison

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWNER = Owner(kind="store", id=UUID(int=1))
GENERATION = UUID(int=100)
TEST_OWNER = Owner(kind="store", id=id_of_test_account(UUID("01a1fd11-0000-7000-8000-000000000001")))


def books(*grants: tuple[int, timedelta | None]) -> Books:
    """Books of one owner with these grants: credits, and how long they last from NOW."""
    made = Books(now=NOW)
    for number, (credits, lasts) in enumerate(grants):
        expires = NOW + lasts if lasts else None
        ledger.apply(
            made,
            GrantCredit(grant_id=UUID(int=number + 1), owner=OWNER, credits=credits, reason="test", expires_at=expires),
        )
    return made


def balance(made: Books, account: Account) -> int:
    return made.wallets[OWNER.id].balances[account]


def reserve(n: int = 1, generation: UUID = GENERATION) -> ReserveCredit:
    return ReserveCredit(generation_id=generation, owner=OWNER, work=Work(kind="try_on", n=n))


def test_a_reservation_moves_credits_from_available_to_held() -> None:
    made = books((10, None))

    event = ledger.apply(made, reserve(n=3))

    assert event == CreditDeducted(generation_id=GENERATION, owner=OWNER, credits=3, price_book="v3")
    assert (balance(made, Account.AVAILABLE), balance(made, Account.HELD)) == (7, 3)


def test_too_few_credits_decline_and_move_nothing() -> None:
    made = books((2, None))

    event = ledger.apply(made, reserve(n=3))

    assert event == CreditDeclined(generation_id=GENERATION, reason="insufficient_credits", required=3, available=2)
    assert balance(made, Account.HELD) == 0
    assert GENERATION not in made.holds


def test_a_part_delivered_is_charged_and_the_rest_returned_in_one_step() -> None:
    made = books((10, None))
    ledger.apply(made, reserve(n=5))

    event = ledger.apply(made, CaptureCredit(generation_id=GENERATION, delivered=3))

    assert event == CreditCaptured(generation_id=GENERATION, captured=3, refunded=2)
    assert (balance(made, Account.AVAILABLE), balance(made, Account.CAPTURED), balance(made, Account.HELD)) == (7, 3, 0)


@pytest.mark.parametrize(("work", "captured"), [(Work(kind="image", n=2), 2), (Work(kind="try_on", n=3), 3)])
def test_a_reused_result_is_charged_by_its_own_price_and_never_more_than_held(work: Work, captured: int) -> None:
    made = books((50, None))
    held = ledger.apply(made, ReserveCredit(generation_id=GENERATION, owner=OWNER, work=work))
    command = CaptureCredit(generation_id=GENERATION, delivered=work.n, reused=True)

    event = ledger.apply(made, command)

    assert isinstance(held, CreditDeducted)
    assert event == CreditCaptured(generation_id=GENERATION, captured=captured, refunded=held.credits - captured)
    assert (balance(made, Account.CAPTURED), balance(made, Account.HELD)) == (captured, 0)
    assert ledger.apply(made, command) == event


def test_a_refund_returns_everything() -> None:
    made = books((10, None))
    ledger.apply(made, reserve(n=4))

    event = ledger.apply(made, RefundCredit(generation_id=GENERATION))

    assert event == CreditRefunded(generation_id=GENERATION, refunded=4)
    assert (balance(made, Account.AVAILABLE), balance(made, Account.HELD)) == (10, 0)


def test_refund_before_reserve_refuses_the_late_reservation() -> None:
    made = books((10, None))

    first = ledger.apply(made, RefundCredit(generation_id=GENERATION))
    late = ledger.apply(made, reserve())

    assert first == CreditRefunded(generation_id=GENERATION, refunded=0)
    assert late == CreditDeclined(generation_id=GENERATION, reason="withdrawn", required=0, available=0)
    assert balance(made, Account.AVAILABLE) == 10


@pytest.mark.parametrize(
    "command",
    [reserve(n=2), CaptureCredit(generation_id=GENERATION, delivered=2), RefundCredit(generation_id=GENERATION)],
)
def test_the_same_command_again_is_answered_as_before_and_moves_nothing(command: ledger.MoneyCommand) -> None:
    made = books((10, None))
    ledger.apply(made, reserve(n=2))
    first = ledger.apply(made, command)
    posted = len(made.postings)

    again = ledger.apply(made, command)

    assert again == first
    assert len(made.postings) == posted


def test_a_refund_after_the_capture_is_poison() -> None:
    made = books((10, None))
    ledger.apply(made, reserve())
    ledger.apply(made, CaptureCredit(generation_id=GENERATION, delivered=1))

    with pytest.raises(Poison, match="captured already"):
        ledger.apply(made, RefundCredit(generation_id=GENERATION))


def test_a_capture_after_the_refund_is_poison() -> None:
    made = books((10, None))
    ledger.apply(made, reserve())
    ledger.apply(made, RefundCredit(generation_id=GENERATION))

    with pytest.raises(Poison, match="no open hold"):
        ledger.apply(made, CaptureCredit(generation_id=GENERATION, delivered=1))


def test_more_delivered_than_held_for_is_poison() -> None:
    made = books((10, None))
    ledger.apply(made, reserve(n=2))

    with pytest.raises(Poison, match="3 delivered, 2 held for"):
        ledger.apply(made, CaptureCredit(generation_id=GENERATION, delivered=3))


def test_the_soonest_to_expire_is_spent_first() -> None:
    made = books((5, None), (5, timedelta(days=30)), (5, timedelta(days=1)))

    ledger.apply(made, reserve(n=7))

    assert made.holds[GENERATION].lots == {UUID(int=3): 5, UUID(int=2): 2}


def test_an_unpriced_request_is_declined_never_free() -> None:
    made = books((10, None))
    unpriced = ReserveCredit(generation_id=GENERATION, owner=OWNER, work=Work(kind="image", size="1x1"))

    event = ledger.apply(made, unpriced)

    assert event == CreditDeclined(generation_id=GENERATION, reason="unpriced", required=0, available=0)


def test_credits_of_a_grant_that_expired_while_held_return_to_it_and_then_expire() -> None:
    made = books((5, timedelta(hours=1)))
    ledger.apply(made, reserve(n=5))
    made.now = NOW + timedelta(hours=2)

    ledger.apply(made, RefundCredit(generation_id=GENERATION))

    assert (balance(made, Account.AVAILABLE), balance(made, Account.EXPIRED)) == (0, 5)
    assert made.holds[GENERATION].state is HoldState.REFUNDED


def test_what_expires_is_announced_once_with_what_is_left() -> None:
    made = books((5, timedelta(hours=1)), (7, None))
    made.now = NOW + timedelta(hours=2)

    ledger.expire_due(made, made.wallets[OWNER.id])
    ledger.expire_due(made, made.wallets[OWNER.id])

    assert made.expiries == [GrantExpired(grant_id=UUID(int=1), owner=OWNER, credits=5, available=7)]


def test_the_same_grant_id_grants_once() -> None:
    made = books((10, None))
    again = GrantCredit(grant_id=UUID(int=1), owner=OWNER, credits=10, reason="test")

    event = ledger.apply(made, again)

    assert event == CreditGranted(grant_id=UUID(int=1), owner=OWNER, credits=10, available=10, given_before=True)
    assert balance(made, Account.AVAILABLE) == 10


def test_a_known_grant_id_answers_with_what_was_granted_under_it_not_with_what_is_asked_now() -> None:
    made = books((10, None))
    other = Owner(kind="store", id=UUID(int=2))

    event = ledger.apply(made, GrantCredit(grant_id=UUID(int=1), owner=other, credits=70, reason="again"))

    assert event == CreditGranted(grant_id=UUID(int=1), owner=OWNER, credits=10, available=10, given_before=True)
    assert balance(made, Account.AVAILABLE) == 10
    assert other.id not in made.wallets


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (PostingKind.RESERVE, "reserve of 3: the grant .* has too few left"),
        (PostingKind.CAPTURE, "capture of 3: held of owner .* is below zero"),
    ],
)
def test_no_move_takes_a_grant_or_an_account_below_zero(kind: PostingKind, message: str) -> None:
    made = books((2, None), (5, None))
    wallet = made.wallets[OWNER.id]

    with pytest.raises(AssertionError, match=message):
        made.move(kind, wallet, wallet.grants[UUID(int=1)], 3)


def test_a_hold_whose_lots_do_not_sum_to_its_credits_is_not_settled() -> None:
    made = books((10, None))
    ledger.apply(made, reserve(n=3))
    made.holds[GENERATION].lots = {UUID(int=1): 2}

    with pytest.raises(AssertionError, match=r"hold .* is not settled in full"):
        ledger.apply(made, RefundCredit(generation_id=GENERATION))


def test_a_test_account_is_filled_up_when_it_has_too_few_and_no_other_is() -> None:
    made = Books(now=NOW)
    generations = [UUID(int=200), UUID(int=201)]

    first = ledger.apply(made, _of_test_account(reserve(n=3, generation=generations[0])))
    wallet = made.wallets[TEST_OWNER.id]
    left = wallet.balances[Account.AVAILABLE]
    wallet.balances[Account.AVAILABLE] -= left - 2
    wallet.balances[Account.CAPTURED] += left - 2
    wallet.grants[generations[0]].remaining = 2
    second = ledger.apply(made, _of_test_account(reserve(n=3, generation=generations[1])))
    live = ledger.apply(made, reserve())

    assert isinstance(first, CreditDeducted) and isinstance(second, CreditDeducted)
    assert [refill.credits for refill in made.refills] == [ledger.TEST_CREDITS, ledger.TEST_CREDITS - 2]
    assert wallet.balances[Account.AVAILABLE] == ledger.TEST_CREDITS - 3
    assert {refill.owner for refill in made.refills} == {TEST_OWNER}
    assert isinstance(live, CreditDeclined), "credits of a test account are never a live owner's"


def test_a_repeated_reservation_of_a_test_account_fills_nothing_up() -> None:
    made = Books(now=NOW)
    command = _of_test_account(reserve(n=3))

    once, again = ledger.apply(made, command), ledger.apply(made, command)

    assert once == again and len(made.refills) == 1


def _of_test_account(command: ReserveCredit) -> ReserveCredit:
    return command.model_copy(update={"owner": TEST_OWNER})
