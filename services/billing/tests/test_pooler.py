"""The books behind a pgbouncer in transaction mode: money moves and is proven as it is directly at the database."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

import atelier_billing
from atelier_billing import full_proof, handlers
from atelier_billing.verification import advance_checkpoint, verify
from atelier_contracts import CaptureCredit, GrantCredit, Message, Owner, RefundCredit, ReserveCredit, Work, wrap
from atelier_messaging import Delivery, UnitOfWork, database, is_outage, testing
from atelier_messaging.outbox import Outbox
from atelier_messaging.publisher import Publisher

pytestmark = pytest.mark.stack
MIGRATIONS = Path(atelier_billing.__file__).parent / "migrations"


@pytest.fixture
async def unit(postgres: str, tmp_path: Path) -> AsyncIterator[UnitOfWork]:
    async with testing.migrated_database(postgres, MIGRATIONS) as url:
        with testing.pgbouncer(url, tmp_path) as bounced:
            pool = await database.connect(bounced, statement_cache=0)
            yield UnitOfWork(pool, Outbox(pool, Publisher("amqp://nowhere.invalid/", "billing")), "atelier/billing")
            await pool.close()


async def handle(unit: UnitOfWork, *messages: Message) -> None:
    deliveries = [Delivery(wrap(message, source="test")) for message in messages]
    while True:
        try:
            async with unit.once("billing.commands", deliveries, dispatch=False) as tx:
                await handlers.handle_commands(tx)
            return
        except Exception as error:
            if not is_outage(error):
                raise


async def test_many_generations_at_once_are_charged_or_refunded_and_proven(unit: UnitOfWork) -> None:
    owner = Owner(kind="store", id=uuid4())
    await handle(unit, GrantCredit(grant_id=uuid4(), owner=owner, credits=100, reason="test"))

    async def live(id_: UUID, *, captured: bool) -> None:
        await handle(unit, ReserveCredit(generation_id=id_, owner=owner, work=Work(kind="try_on", n=1)))
        settled = CaptureCredit(generation_id=id_, delivered=1) if captured else RefundCredit(generation_id=id_)
        await handle(unit, settled)

    await asyncio.gather(*(live(uuid4(), captured=number % 2 == 0) for number in range(30)))
    await advance_checkpoint(unit)
    await full_proof.start(unit.pool)
    await full_proof.continue_proof(unit.pool)

    row = await unit.pool.fetchrow("SELECT available, held, captured FROM accounts WHERE owner_id = $1", owner.id)
    assert row is not None
    assert tuple(row) == (85, 0, 15)
    async with unit.pool.acquire() as connection:
        assert (await verify(connection)).ok
    proof = await full_proof.latest(unit.pool)
    assert proof is not None
    assert proof["state"] == "passed"
