"""The ledger's promises, on real Postgres: two processes at once, lost answers, and books that cannot be cooked."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from atelier_billing import full_proof, handlers, store
from atelier_billing.verification import verify
from atelier_contracts import (
    CaptureCredit,
    GrantCredit,
    GrantExpired,
    Message,
    Owner,
    RefundCredit,
    ReserveCredit,
    Work,
    wrap,
)
from atelier_messaging import Delivery, UnitOfWork, is_outage
from atelier_messaging.database import Pool
from atelier_messaging.writes import WriteConflict

pytestmark = pytest.mark.stack


async def handle(unit: UnitOfWork, messages: Sequence[Message]) -> None:
    """As the consumer does: one transaction, and again if another process was in the way."""
    deliveries, late_claim = [Delivery(wrap(message, source="test")) for message in messages], True
    while True:
        try:
            async with unit.once("billing.commands", deliveries, dispatch=False, late_claim=late_claim) as tx:
                await handlers.handle_commands(tx)
            return
        except Exception as error:
            if not is_outage(error) and not late_claim:
                raise
            late_claim = False


async def owner_with(unit: UnitOfWork, credits: int) -> Owner:
    owner = Owner(kind="store", id=uuid4())
    await handle(unit, [GrantCredit(grant_id=uuid4(), owner=owner, credits=credits, reason="test")])
    return owner


async def balance(unit: UnitOfWork, owner: Owner) -> tuple[int, int, int]:
    row = await unit.pool.fetchrow("SELECT available, held, captured FROM accounts WHERE owner_id = $1", owner.id)
    assert row is not None
    return row["available"], row["held"], row["captured"]


async def expiries_of(unit: UnitOfWork, owner: Owner) -> list[GrantExpired]:
    """What is announced of the owner's grants; it waits in the outbox, for there is no broker."""
    rows = await unit.pool.fetch("SELECT body FROM outbox WHERE name = $1", GrantExpired.name)
    expiries = [GrantExpired.model_validate_json(row["body"]) for row in rows]
    return [expiry for expiry in expiries if expiry.owner == owner]


def reserve(owner: Owner, generation: UUID, n: int = 1) -> ReserveCredit:
    return ReserveCredit(generation_id=generation, owner=owner, work=Work(kind="try_on", n=n))


@pytest.fixture(autouse=True)
async def books_balance(unit: UnitOfWork) -> object:
    """After every test the books are right."""
    yield
    async with unit.pool.acquire() as connection:
        verdict, whole = await verify(connection), await full_proof.prove(connection)
    assert (verdict.ok, whole.ok) == (True, True), (verdict.violations, whole.violations)


async def test_two_processes_cannot_spend_the_same_credit(unit: UnitOfWork) -> None:
    owner = await owner_with(unit, 10)

    batches = [[reserve(owner, uuid4()) for _ in range(5)] for _ in range(8)]
    await asyncio.gather(*(handle(unit, batch) for batch in batches))

    assert await balance(unit, owner) == (0, 10, 0)


async def test_a_batch_settles_many_generations_of_many_owners_at_once(unit: UnitOfWork) -> None:
    owners = [await owner_with(unit, 10) for _ in range(3)]
    holds = [(owner, uuid4()) for owner in owners for _ in range(4)]

    await handle(unit, [reserve(owner, generation, n=2) for owner, generation in holds])
    captured, refunded = holds[::2], holds[1::2]
    await handle(
        unit,
        [
            *(CaptureCredit(generation_id=generation, delivered=1) for _, generation in captured),
            *(RefundCredit(generation_id=generation) for _, generation in refunded),
        ],
    )

    assert [await balance(unit, owner) for owner in owners] == [(8, 0, 2)] * 3


async def test_a_reused_result_is_marked_as_such_and_the_books_prove_its_price(unit: UnitOfWork) -> None:
    owner, generation = await owner_with(unit, 30), uuid4()
    await handle(unit, [ReserveCredit(generation_id=generation, owner=owner, work=Work(kind="image", n=3))])

    await handle(unit, [CaptureCredit(generation_id=generation, delivered=3, reused=True)])

    assert await balance(unit, owner) == (27, 0, 3)
    assert await unit.pool.fetchval("SELECT reused FROM holds WHERE generation_id = $1", generation)


async def test_refund_and_late_reserve_racing_in_two_processes_hold_nothing_in_the_end(unit: UnitOfWork) -> None:
    owner = await owner_with(unit, 20)
    generations = [uuid4() for _ in range(20)]

    await asyncio.gather(
        *(handle(unit, [reserve(owner, generation)]) for generation in generations),
        *(handle(unit, [RefundCredit(generation_id=generation)]) for generation in generations),
    )

    assert await balance(unit, owner) == (20, 0, 0)


async def test_one_reservation_said_twice_under_two_ids_to_two_processes_holds_once(unit: UnitOfWork) -> None:
    owner = await owner_with(unit, 40)
    generations = [uuid4() for _ in range(20)]

    twice = [generation for generation in generations for _ in range(2)]
    await asyncio.gather(*(handle(unit, [reserve(owner, generation)]) for generation in twice))

    assert await balance(unit, owner) == (20, 20, 0)


async def test_a_tombstone_that_another_process_writes_meanwhile_has_the_reservation_start_over(
    unit: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner, generation = await owner_with(unit, 5), uuid4()

    async def refund_meanwhile(*_: object) -> None:
        monkeypatch.undo()
        await handle(unit, [RefundCredit(generation_id=generation)])

    monkeypatch.setattr(store, "confirm_declines", refund_meanwhile)
    delivery = Delivery(wrap(reserve(owner, generation), source="test"))
    with pytest.raises(WriteConflict):
        async with unit.once("billing.commands", [delivery], dispatch=False) as tx:
            await handlers.handle_commands(tx)

    assert await balance(unit, owner) == (5, 0, 0)


async def test_batches_of_many_owners_never_deadlock(unit: UnitOfWork) -> None:
    owners = [await owner_with(unit, 100) for _ in range(10)]

    async def spend() -> None:
        deliveries = [Delivery(wrap(reserve(owner, uuid4()), source="test")) for owner in owners]
        async with unit.once("billing.commands", deliveries, dispatch=False) as tx:
            await handlers.handle_commands(tx)

    for _ in range(10):
        await asyncio.gather(*(spend() for _ in range(8)))

    assert {await balance(unit, owner) for owner in owners} == {(20, 80, 0)}


class _Interrupted:
    """A connection on which another process is faster: a callback runs once the accounts are locked."""

    def __init__(self, connection: Any, meanwhile: Callable[[], Awaitable[object]]) -> None:
        self._connection = connection
        self._meanwhile = meanwhile

    async def fetchval(self, query: str) -> Any:
        await self._meanwhile()
        return await self._connection.fetchval(query)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


async def test_a_reservation_may_meet_the_very_first_grant_of_its_owner(unit: UnitOfWork) -> None:
    owner = Owner(kind="store", id=uuid4())
    first = GrantCredit(grant_id=uuid4(), owner=owner, credits=2, reason="test")

    async with unit.once() as tx:
        connection: Any = _Interrupted(tx.connection, lambda: handle(unit, [first]))
        books = await store.lock_books(connection, [reserve(owner, uuid4())])

    assert books.wallets == {}


async def test_a_message_handled_before_changes_nothing(unit: UnitOfWork) -> None:
    owner = await owner_with(unit, 5)
    delivery = Delivery(wrap(reserve(owner, uuid4()), source="test"))

    for _ in range(3):
        async with unit.once("billing.commands", [delivery], dispatch=False) as tx:
            if tx.fresh:
                await handlers.handle_commands(tx)

    assert await balance(unit, owner) == (4, 1, 0)


async def test_a_grant_id_of_an_earlier_day_names_its_owner_and_credits_and_gives_the_other_nothing(
    unit: UnitOfWork,
) -> None:
    owner, other = Owner(kind="store", id=uuid4()), await owner_with(unit, 7)
    first = GrantCredit(grant_id=uuid4(), owner=owner, credits=50, priority=3, reason="monthly")
    await handle(unit, [first])

    books = await _handle(unit, GrantCredit(grant_id=first.grant_id, owner=other, credits=70, reason="monthly"))

    assert (books["owner"], books["credits"], books["priority"]) == (owner.model_dump(mode="json"), 50, 3)
    assert (books["available"], books["given_before"]) == (50, True)
    assert (await balance(unit, owner))[0] == 50 and (await balance(unit, other))[0] == 7


async def _handle(unit: UnitOfWork, command: GrantCredit) -> dict[str, Any]:
    """What billing says to it."""
    async with unit.once("billing.commands", [Delivery(wrap(command, source="test"))], dispatch=False) as tx:
        await handlers.handle_commands(tx)
    return tx.emitted[0].message.model_dump(mode="json")


async def test_expired_credits_leave_by_the_sweep(unit: UnitOfWork, owner_pool: Pool) -> None:
    owner = await owner_with(unit, 5)
    await owner_pool.execute("UPDATE grants SET expires_at = now() - interval '1 hour' WHERE owner_id = $1", owner.id)

    await handlers.expire_grants(unit)

    expired = await unit.pool.fetchval("SELECT expired FROM accounts WHERE owner_id = $1", owner.id)
    assert (await balance(unit, owner))[0] == 0
    assert expired == 5
    [announced] = await expiries_of(unit, owner)
    assert (announced.credits, announced.available) == (5, 0)


@pytest.mark.parametrize("forgery", ["UPDATE postings SET credits = credits + 1", "DELETE FROM postings"])
async def test_postings_cannot_be_changed_or_removed(unit: UnitOfWork, owner_pool: Pool, forgery: str) -> None:
    await owner_with(unit, 1)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await unit.pool.execute(forgery)
    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await owner_pool.execute(forgery)


@pytest.mark.parametrize(
    "forgery",
    [
        "DELETE FROM holds",
        "DELETE FROM accounts",
        "DELETE FROM grants",
        "TRUNCATE holds",
        "UPDATE accounts SET owner_id = gen_random_uuid()",
        "UPDATE holds SET unit_credits = 0",
        "UPDATE grants SET credits = credits + 1",
    ],
)
async def test_the_service_can_change_no_more_of_the_books_than_a_posting_does(unit: UnitOfWork, forgery: str) -> None:
    await owner_with(unit, 1)

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await unit.pool.execute(forgery)


async def test_an_account_cannot_be_overdrawn_even_by_a_mistake_of_ours(unit: UnitOfWork) -> None:
    owner = await owner_with(unit, 1)

    with pytest.raises(asyncpg.CheckViolationError):
        await unit.pool.execute(
            "UPDATE accounts SET available = available - 2, held = held + 2 WHERE owner_id = $1", owner.id
        )


async def test_verify_names_a_balance_that_its_postings_do_not_explain(unit: UnitOfWork) -> None:
    owner = await owner_with(unit, 3)
    cook = "UPDATE accounts SET available = available + $2, granted = granted - $2 WHERE owner_id = $1"
    await unit.pool.execute(cook, owner.id, 7)

    async with unit.pool.acquire() as connection:
        verdict = await verify(connection)
    await unit.pool.execute(cook, owner.id, -7)

    assert not verdict.ok
    assert any(
        f"owner {owner.id}, account available: balance 10, postings say 3" in line for line in verdict.violations
    )
