"""A batch that waited for an account has read its grants before it waited: it reads them again."""

import asyncio
from uuid import UUID, uuid4

import pytest

from atelier_billing import handlers, store
from atelier_billing.books import Books
from atelier_contracts import GrantCredit, Owner, wrap
from atelier_messaging import Delivery, UnitOfWork
from atelier_messaging.testing import becomes, count_waiting

from .test_books import balance, owner_with, reserve

pytestmark = pytest.mark.stack


async def test_a_batch_that_waited_for_another_spends_the_grants_that_are_left(unit: UnitOfWork) -> None:
    # The other one empties a grant and adds one of the same size: what is available stays as it was.
    owner = await owner_with(unit, 5)
    more = GrantCredit(grant_id=uuid4(), owner=owner, credits=5, reason="test", priority=1)
    first = [Delivery(wrap(c, source="test")) for c in (reserve(owner, uuid4(), 5), more)]

    async def spend_without_another_try() -> None:
        deliveries = [Delivery(wrap(reserve(owner, uuid4(), 4), source="test"))]
        async with unit.once("billing.commands", deliveries, dispatch=False) as tx:
            await handlers.handle_commands(tx)

    async with unit.once("billing.commands", first, dispatch=False) as tx:
        await handlers.handle_commands(tx)
        second = asyncio.create_task(spend_without_another_try())
        await becomes(1, lambda: count_waiting(unit.pool))
    await second

    left = await unit.pool.fetch("SELECT id, remaining FROM grants WHERE owner_id = $1 ORDER BY remaining", owner.id)
    assert [row["remaining"] for row in left] == [0, 1]
    assert left[1]["id"] == more.grant_id
    assert await balance(unit, owner) == (1, 9, 0)


async def test_a_batch_that_finds_a_hold_only_on_its_second_look_waits_for_that_account_too(unit: UnitOfWork) -> None:
    owner, other, generation = await owner_with(unit, 5), await owner_with(unit, 5), uuid4()
    more = GrantCredit(grant_id=uuid4(), owner=other, credits=7, reason="test", priority=1)
    has_granted, may_commit = asyncio.Event(), asyncio.Event()

    async def grant() -> None:
        async with unit.once("billing.commands", [Delivery(wrap(more, source="test"))], dispatch=False) as tx:
            await handlers.handle_commands(tx)
            has_granted.set()
            await may_commit.wait()

    def reserving(payer: Owner, generation_id: UUID) -> list[Delivery]:
        return [Delivery(wrap(reserve(payer, generation_id, 1), source="test"))]

    async def read() -> Books:
        async with unit.pool.acquire() as connection, connection.transaction():
            return await store.lock_some(connection, [generation], [owner.id])

    async with asyncio.TaskGroup() as tasks:
        # The account of the owner is freed last, so the grant has the other account before the reader looks for it.
        async with unit.once("billing.commands", reserving(owner, uuid4()), dispatch=False) as longer:
            await handlers.handle_commands(longer)
            async with unit.once("billing.commands", reserving(other, generation), dispatch=False) as shorter:
                await handlers.handle_commands(shorter)
                tasks.create_task(grant())
                await becomes(1, lambda: count_waiting(unit.pool))
                reading = tasks.create_task(read())
                await becomes(2, lambda: count_waiting(unit.pool))
            await has_granted.wait()
        await becomes(1, lambda: count_waiting(unit.pool))  # the second look, for the account of the hold
        may_commit.set()

    books = reading.result()
    assert generation in books.holds
    assert more.grant_id in books.wallets[other.id].grants
