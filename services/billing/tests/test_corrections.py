"""Corrections move credits by postings of their own: a charge is returned, a mistaken grant taken back, never below
zero, and each once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from atelier_billing.correction_handlers import handle_corrections
from atelier_billing.handlers import handle_commands
from atelier_billing.verification import advance_checkpoint
from atelier_contracts import (
    BooksCorrected,
    CaptureCredit,
    CreditReturned,
    GrantCredit,
    Message,
    Owner,
    RefundCredit,
    ReserveCredit,
    ReturnCredit,
    TakeBackCredit,
    Work,
    wrap,
)
from atelier_messaging import Delivery
from atelier_telemetry import metrics

from .test_proofs import Ledger, ledger_on

pytestmark = pytest.mark.stack


@pytest.fixture
async def ledger(postgres: str) -> AsyncIterator[Ledger]:
    async with ledger_on(postgres) as opened:
        yield opened


@pytest.fixture
async def store(ledger: Ledger) -> Owner:
    owner = Owner(kind="store", id=uuid4())
    await ledger.handle(GrantCredit(grant_id=uuid4(), owner=owner, credits=100, reason="test"))
    return owner


async def correct(ledger: Ledger, *commands: ReturnCredit | TakeBackCredit) -> list[Message]:
    """Handles corrections in one batch; what was emitted."""
    deliveries = [Delivery(wrap(command, source="test")) for command in commands]
    async with ledger.unit.once("billing.corrections", deliveries, dispatch=False) as tx:
        await handle_corrections(tx)
    return [envelope.message for envelope in tx.emitted]


async def charge(ledger: Ledger, owner: Owner, n: int = 4) -> UUID:
    id_ = uuid4()
    await ledger.handle(ReserveCredit(generation_id=id_, owner=owner, work=Work(kind="try_on", n=n)))
    await ledger.handle(CaptureCredit(generation_id=id_, delivered=n))
    return id_


async def balances(ledger: Ledger, owner: Owner) -> tuple[int, int, int, int]:
    """Granted, available, captured, expired."""
    row = await ledger.unit.pool.fetchrow(
        "SELECT -granted, available, captured, expired FROM accounts WHERE owner_id = $1", owner.id
    )
    assert row is not None
    return tuple(row)


def returning(generation: UUID, credits: int | None = None) -> ReturnCredit:
    return ReturnCredit(
        correction_id=uuid4(), generation_id=generation, credits=credits, reason="the picture is broken"
    )


async def assert_right(ledger: Ledger) -> None:
    assert (await ledger.verdict()).violations == []
    assert (await ledger.proof())["violations"] == []


async def test_a_charge_is_returned_in_parts_until_nothing_of_it_is_left(ledger: Ledger, store: Owner) -> None:
    generation = await charge(ledger, store)

    first, _ = await correct(ledger, returning(generation, 1))
    rest, reply = await correct(ledger, returning(generation))

    assert isinstance(first, CreditReturned) and (first.credits, first.returned) == (1, 1)
    assert isinstance(rest, CreditReturned) and (rest.credits, rest.returned) == (3, 4)
    assert isinstance(reply, BooksCorrected) and (reply.credits, reply.available) == (3, 100)
    assert await balances(ledger, store) == (100, 100, 0, 0)
    await assert_right(ledger)


@pytest.mark.parametrize("credits", [None, 1])
async def test_what_was_never_charged_is_not_returned(ledger: Ledger, store: Owner, credits: int | None) -> None:
    refunded, unknown = uuid4(), uuid4()
    await ledger.handle(ReserveCredit(generation_id=refunded, owner=store, work=Work(kind="try_on", n=2)))
    await ledger.handle(RefundCredit(generation_id=refunded))

    replies = await correct(ledger, returning(refunded, credits), returning(unknown, credits))

    assert [r.refused for r in replies if isinstance(r, BooksCorrected)] == ["not_charged", "not_charged"]
    assert await balances(ledger, store) == (100, 100, 0, 0)
    await assert_right(ledger)


async def test_more_than_is_charged_is_refused_and_nothing_moves(ledger: Ledger, store: Owner) -> None:
    generation = await charge(ledger, store)
    await correct(ledger, returning(generation, 3))

    (reply,) = await correct(ledger, returning(generation, 2))

    assert isinstance(reply, BooksCorrected) and (reply.refused, reply.credits) == ("exceeds_charge", 0)
    assert await balances(ledger, store) == (100, 99, 1, 0)


async def test_a_correction_sent_twice_moves_once_and_gets_the_same_reply(ledger: Ledger, store: Owner) -> None:
    generation = await charge(ledger, store)
    command = returning(generation, 2)

    _, first = await correct(ledger, command)
    _, again = await correct(ledger, command)

    assert isinstance(first, BooksCorrected) and isinstance(again, BooksCorrected)
    assert again == first.model_copy(update={"corrected_before": True})
    assert await balances(ledger, store) == (100, 98, 2, 0)


async def test_a_return_sent_twice_says_again_what_has_gone_back_by_then(ledger: Ledger, store: Owner) -> None:
    generation = await charge(ledger, store)
    command = returning(generation, 1)

    first, _ = await correct(ledger, command)
    await correct(ledger, returning(generation, 2))
    again, _ = await correct(ledger, command)

    assert isinstance(first, CreditReturned) and isinstance(again, CreditReturned)
    assert again == first.model_copy(update={"returned": 3})


async def test_a_refused_return_sent_twice_says_of_nothing_that_it_went_back(ledger: Ledger, store: Owner) -> None:
    generation = await charge(ledger, store)
    command = returning(generation, 9)

    replies = [*await correct(ledger, command), *await correct(ledger, command)]

    assert [type(reply) for reply in replies] == [BooksCorrected, BooksCorrected]


async def test_returns_of_one_charge_at_once_never_return_more_than_it(ledger: Ledger, store: Owner) -> None:
    generation = await charge(ledger, store)

    answers = await asyncio.gather(*(correct(ledger, returning(generation, 3)) for _ in range(4)))

    assert sum(isinstance(message, CreditReturned) for emitted in answers for message in emitted) == 1
    assert await balances(ledger, store) == (100, 99, 1, 0)
    await assert_right(ledger)


async def test_credits_of_an_expired_grant_expire_when_they_are_returned(ledger: Ledger) -> None:
    owner = Owner(kind="store", id=uuid4())
    soon = datetime.now(UTC) + timedelta(hours=1)
    await ledger.handle(GrantCredit(grant_id=uuid4(), owner=owner, credits=4, expires_at=soon, reason="test"))
    generation = await charge(ledger, owner)
    await ledger.tamper("UPDATE grants SET expires_at = now() - interval '1 hour' WHERE owner_id = $1", owner.id)

    await correct(ledger, returning(generation))

    assert await balances(ledger, owner) == (4, 0, 0, 4)
    await assert_right(ledger)


@pytest.mark.parametrize(("credits", "taken"), [(None, 96), (40, 40), (500, 96)])
async def test_a_grant_is_taken_back_as_far_as_it_is_available(
    ledger: Ledger, store: Owner, credits: int | None, taken: int
) -> None:
    await charge(ledger, store)

    (reply,) = await correct(
        ledger, TakeBackCredit(correction_id=uuid4(), owner=store, credits=credits, reason="granted twice")
    )

    assert isinstance(reply, BooksCorrected) and (reply.credits, reply.available) == (taken, 96 - taken)
    assert await balances(ledger, store) == (100 - taken, 96 - taken, 4, 0)
    await assert_right(ledger)


async def test_one_grant_alone_is_taken_back_where_it_is_named(ledger: Ledger, store: Owner) -> None:
    mistake = uuid4()
    await ledger.handle(GrantCredit(grant_id=mistake, owner=store, credits=50, reason="a mistake"))

    (reply,) = await correct(
        ledger, TakeBackCredit(correction_id=uuid4(), owner=store, grant_id=mistake, reason="granted twice")
    )

    assert isinstance(reply, BooksCorrected) and (reply.credits, reply.available) == (50, 100)
    left = await ledger.unit.pool.fetchval("SELECT remaining FROM grants WHERE id = $1", mistake)
    assert left == 0


async def test_the_checkpoint_covers_corrections(ledger: Ledger, store: Owner) -> None:
    generation = await charge(ledger, store)
    await correct(ledger, returning(generation, 1))
    await correct(ledger, TakeBackCredit(correction_id=uuid4(), owner=store, credits=10, reason="granted twice"))

    await advance_checkpoint(ledger.unit)

    verdict = await ledger.verdict()
    assert (verdict.violations, verdict.unproven) == ([], 0)
    await assert_right(ledger)


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        ("UPDATE postings SET credits = 3 WHERE kind = 'return'", "corrections (return) say 2, postings 3"),
        ("DELETE FROM postings WHERE kind = 'return'", "corrections (return) say 2, postings 0"),
        ("UPDATE postings SET credits = 9 WHERE kind = 'return'", "9 returned"),
        ("DELETE FROM corrections", "corrections (return) say 0, postings 2"),
    ],
)
async def test_a_correction_that_was_tampered_with_is_found(
    ledger: Ledger, store: Owner, statement: str, found: str
) -> None:
    generation = await charge(ledger, store)
    await correct(ledger, returning(generation, 2))

    await ledger.tamper(statement)

    assert [line for line in (await ledger.verdict()).violations if found in line]


async def test_a_correction_is_for_good(ledger: Ledger, store: Owner) -> None:
    await correct(ledger, returning(await charge(ledger, store), 2))

    for statement in ("UPDATE corrections SET reason = 'x'", "DELETE FROM corrections"):
        with pytest.raises(Exception, match=r"append-only|permission denied"):
            await ledger.unit.pool.execute(statement)


async def test_credits_of_a_batch_that_did_not_commit_are_not_counted(ledger: Ledger, store: Owner) -> None:
    generation = await charge(ledger, store)
    grant = GrantCredit(grant_id=uuid4(), owner=store, credits=7, reason="test")
    counted = [metrics.CREDITS_MOVED.labels(kind)._value.get() for kind in ("grant", "return")]

    for handler, command in ((handle_commands, grant), (handle_corrections, returning(generation, 2))):
        for fails in (True, False):
            with pytest.raises(ConnectionError) if fails else nullcontext():
                async with ledger.unit.once("test", [Delivery(wrap(command, source="test"))], dispatch=False) as tx:
                    await handler(tx)
                    if fails:
                        raise ConnectionError("lost before the commit")

    assert [metrics.CREDITS_MOVED.labels(kind)._value.get() for kind in ("grant", "return")] == [
        counted[0] + 7,
        counted[1] + 2,
    ]


@pytest.mark.parametrize("credits", [None, 2])
async def test_a_repeated_correction_says_what_was_ordered_and_what_it_moved(
    ledger: Ledger, store: Owner, credits: int | None
) -> None:
    command = TakeBackCredit(correction_id=uuid4(), owner=store, credits=credits, reason="granted twice")

    await correct(ledger, command)
    (again,) = await correct(ledger, command.model_copy(update={"credits": 5}))

    assert isinstance(again, BooksCorrected)
    assert (again.ordered, again.credits) == (credits or 0, credits or 100)
