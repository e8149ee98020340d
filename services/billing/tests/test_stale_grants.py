"""A batch that waited for an account has read its grants before it waited: it reads them again."""

import asyncio
from uuid import uuid4

import pytest

from atelier_billing import handlers
from atelier_contracts import GrantCredit, wrap
from atelier_messaging import Delivery, UnitOfWork

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
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        while not second.done() and not await unit.pool.fetchval(waiting):  # noqa: ASYNC110 - a table
            await asyncio.sleep(0.01)
    await second

    left = await unit.pool.fetch("SELECT id, remaining FROM grants WHERE owner_id = $1 ORDER BY remaining", owner.id)
    assert [row["remaining"] for row in left] == [0, 1]
    assert left[1]["id"] == more.grant_id
    assert await balance(unit, owner) == (1, 9, 0)
