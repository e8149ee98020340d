"""Writes of one transaction leave in one statement, alone or after reads, and none of them stays without the others."""

import pytest

from atelier_contracts import CancelRequested
from atelier_messaging import Bus, Delivery, Poison, Transaction
from atelier_messaging.consumer import Consumer, Handler
from atelier_messaging.database import Pool
from atelier_messaging.errors import is_outage
from atelier_messaging.writes import Write, WriteConflict, execute

from .conftest import Begin
from .server import Exhausted, Scripted, Server, request

pytestmark = pytest.mark.stack

_EFFECT = "INSERT INTO effects (message_id) SELECT unnest($1::uuid[]) RETURNING message_id"
_ECHO = "INSERT INTO effects (message_id) SELECT message_id FROM effect"


async def write_effects(tx: Transaction) -> None:
    """Handles the messages without reading anything."""
    tx.write("effect", _EFFECT, [delivery.envelope.id for delivery in tx.fresh])
    for delivery in tx.fresh:
        tx.emit(CancelRequested(generation_id=delivery.message.subject))


async def test_each_write_has_parameters_of_its_own_and_sees_what_an_earlier_one_returns(
    server: Server, pool: Pool
) -> None:
    first, second = request().id, request().id

    async with pool.acquire() as connection:
        await execute(
            connection,
            [
                Write("effect", _EFFECT, ([first],), rows=1),
                Write("other", _EFFECT, ([second],)),
                Write("echo", _ECHO, ()),
            ],
        )

    assert sorted(await server.effects()) == sorted([first, first, second])


async def test_a_write_that_touches_other_rows_than_it_must_undoes_all(server: Server, pool: Pool) -> None:
    async with pool.acquire() as connection:
        with pytest.raises(WriteConflict) as conflict:
            await execute(
                connection,
                [Write("effect", _EFFECT, ([request().id],)), Write("other", _EFFECT, ([request().id],), rows=2)],
            )

    assert is_outage(conflict.value)
    assert await server.effects() == []


async def test_a_transaction_that_reads_nothing_is_one_statement(server: Server, begin: Begin) -> None:
    bus, delivery = await begin(), Delivery(request())
    async with bus.unit.once("a queue", [delivery], dispatch=False, late_claim=True) as tx:
        await write_effects(tx)
        with pytest.raises(AssertionError):
            assert tx.connection

    assert await server.effects() == await server.inbox() == [delivery.envelope.id]
    assert len(await server.outbox()) == 1
    transactions = await server.pool.fetchval(
        "SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM effects UNION ALL SELECT xmin FROM inbox"
        " UNION ALL SELECT xmin FROM outbox) rows"
    )
    assert transactions == 1


async def test_a_late_claim_of_a_message_handled_before_leaves_nothing(server: Server, begin: Begin) -> None:
    bus, again, fresh = await begin(), Delivery(request()), Delivery(request())
    async with bus.unit.once("a queue", [again]):
        pass

    with pytest.raises(WriteConflict):
        async with bus.unit.once("a queue", [again, fresh], late_claim=True) as tx:
            await write_effects(tx)

    assert await server.effects() == await server.outbox() == []
    assert await server.inbox() == [again.envelope.id]


@pytest.mark.parametrize("has_begun", [False, True], ids=["one statement", "after a read"])
async def test_a_consumer_with_a_late_claim_handles_the_fresh_ones_beside_duplicates(
    server: Server, begin: Begin, has_begun: bool
) -> None:
    async def handler(tx: Transaction) -> None:
        if has_begun:
            await tx.begin()
        await write_effects(tx)

    bus, again, fresh = await begin(), request(), request()
    async with bus.unit.once(server.queue, [Delivery(again)]):
        pass
    await server.send(again, fresh, fresh)

    await _consume(server, bus, handler, 3)

    assert await server.effects() == [fresh.id]
    assert sorted(await server.inbox()) == sorted([again.id, fresh.id])


async def test_poison_beside_a_late_claim_stands_alone_among_the_dead_letters(server: Server, begin: Begin) -> None:
    poison, neighbour = request(), request()

    async def handler(tx: Transaction) -> None:
        await write_effects(tx)
        if any(delivery.envelope.id == poison.id for delivery in tx.fresh):
            raise Poison("never")

    bus = await begin()
    await server.send(poison, neighbour)
    await _consume(server, bus, handler, 2)

    assert await server.effects() == await server.inbox() == [neighbour.id]
    assert await server.dead() == 1


async def test_a_lost_race_at_the_commit_is_tried_again(server: Server, begin: Begin) -> None:
    attempts: list[bool] = []

    async def handler(tx: Transaction) -> None:
        attempts.append(tx.late_claim)
        tx.write("effect", _EFFECT, [delivery.envelope.id for delivery in tx.fresh], rows=1 if len(attempts) > 2 else 2)

    bus, message = await begin(), request()
    await server.send(message)
    await _consume(server, bus, handler, 1)

    assert attempts == [True, False, True]
    assert await server.effects() == [message.id]


async def _consume(server: Server, bus: Bus, handler: Handler, count: int) -> None:
    """Handles that many waiting messages as one batch, to the ack."""
    raws = await server.take(count)
    with pytest.raises(Exhausted):
        await Consumer(server.queue, handler, bus.unit, bus.publisher, late_claim=True).run(Scripted(raws))
