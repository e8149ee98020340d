"""The database or the broker goes away for a moment: nothing is lost, nothing happens twice, no service falls."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from atelier_contracts import CancelRequested
from atelier_messaging import Poison, PublishOutcome, Transaction, bus, database
from atelier_messaging.consumer import Consumer
from atelier_messaging.database import Pool
from atelier_messaging.dead_letters import list_dead
from atelier_messaging.link import Link
from atelier_messaging.publisher import Publisher
from atelier_messaging.testing import WAIT_S_MAX, becomes, happens

from .conftest import Begin
from .server import Exhausted, Recorder, Scripted, Server, request, to_outgoing

pytestmark = pytest.mark.stack


@pytest.fixture
async def pool_by_link(server: Server, database_link: Link) -> AsyncIterator[Pool]:
    """A pool that reaches the database through ``database_link``."""
    pool = await database.connect(database_link.url)
    yield pool
    pool.terminate()


class Held(Recorder):
    """A handler that has written its rows and then waits, once, so that a test can act before the commit."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()
        self.go_on = asyncio.Event()

    async def __call__(self, tx: Transaction) -> None:
        await super().__call__(tx)
        self.written.set()
        await self.go_on.wait()


async def test_backends_that_are_terminated_within_a_batch_cost_nothing_but_time(
    server: Server, begin: Begin, pool_by_link: Pool
) -> None:
    handler, batch = Held(), [request() for _ in range(10)]
    await begin(handler, pool=pool_by_link)
    await server.send(*batch)
    await happens(handler.written)

    await server.pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE application_name = 'atelier' AND pid <> pg_backend_pid() AND datname = current_database()"
    )
    handler.go_on.set()

    await becomes(sorted(envelope.id for envelope in batch), lambda: _effects_in_order(server))
    assert await server.dead() == 0


async def test_a_database_that_accepts_and_says_nothing_is_given_up(
    database_link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "CONNECT_S_MAX", 0.5)
    database_link.freeze()

    with pytest.raises(TimeoutError):
        await database.connect(database_link.url)


async def test_a_database_that_is_gone_for_a_while_keeps_the_batch(
    server: Server, begin: Begin, pool_by_link: Pool, database_link: Link
) -> None:
    handler, batch = Recorder(), [request() for _ in range(10)]
    service = await begin(pool=pool_by_link)
    await server.send(*batch)
    raws = await server.take(10)
    await database_link.down()

    consuming = asyncio.create_task(
        Consumer(server.queue, handler, service.unit, service.publisher).run(Scripted(raws))
    )
    _, waiting = await asyncio.wait([consuming], timeout=0.3)
    assert waiting
    await database_link.up()
    with pytest.raises(Exhausted):
        await consuming

    assert handler.handled == [[envelope.id for envelope in batch]]
    assert await server.effects() == [envelope.id for envelope in batch]


async def test_a_commit_whose_answer_was_lost_is_not_repeated(
    server: Server, begin: Begin, pool_by_link: Pool, database_link: Link
) -> None:
    handler, envelope, emitted = Recorder(), request(), []

    async def handle(tx: Transaction) -> None:
        await handler(tx)
        emitted.append(tx.emit(CancelRequested(generation_id=envelope.message.subject)))

    service = await begin(pool=pool_by_link)
    await server.send(envelope)
    raws = await server.take(1)
    database_link.lose_answer_to(b"COMMIT;")
    with pytest.raises(Exhausted):
        await Consumer(server.queue, handle, service.unit, service.publisher).run(Scripted(raws))

    assert handler.handled == [[envelope.id]]
    assert await server.effects() == [envelope.id]
    await becomes([], server.outbox)
    assert [raw.message_id for raw in await server.take(1)] == [str(emitted[0].id)]


async def test_a_connection_cut_between_messages_loses_nothing(server: Server, begin: Begin, amqp_link: Link) -> None:
    before, after = request(), request()
    await begin(Recorder())
    await server.send(before)
    await becomes([before.id], server.effects)

    await amqp_link.cut()
    await server.send(after)

    await becomes([before.id, after.id], server.effects)


async def test_a_connection_cut_within_a_batch_handles_it_once(server: Server, begin: Begin, amqp_link: Link) -> None:
    handler, batch, fence = Held(), [request() for _ in range(10)], request()
    await begin(handler)
    await server.send(*batch)
    await happens(handler.written)

    await amqp_link.cut()
    handler.go_on.set()
    await becomes(sorted(envelope.id for envelope in batch), lambda: _effects_in_order(server))
    await server.send(fence)
    await becomes(11, lambda: _count(server))

    assert sorted(message for group in handler.handled for message in group) == sorted(
        [envelope.id for envelope in batch] + [fence.id]
    )
    assert await server.dead() == 0


async def test_cuts_under_load_lose_nothing_and_repeat_nothing(server: Server, begin: Begin, amqp_link: Link) -> None:
    sender = await begin()
    await begin(Recorder())
    sent = []

    for _ in range(5):
        async with sender.unit.once() as tx:
            sent += [tx.emit(request().message).id for _ in range(40)]
        await amqp_link.cut()

    await becomes(sorted(sent), lambda: _effects_in_order(server))
    await becomes([], server.outbox)


async def test_poison_met_while_the_broker_is_away_is_buried_when_it_is_back(
    server: Server, begin: Begin, amqp_link: Link
) -> None:
    poison, started = request(), asyncio.Event()

    async def handler(tx: Transaction) -> None:
        await amqp_link.down()
        started.set()
        raise Poison("no")

    service = await begin()
    await server.send(poison)
    raws = await server.take(1)
    consuming = asyncio.create_task(
        Consumer(server.queue, handler, service.unit, service.publisher).run(Scripted(raws))
    )
    await happens(started)
    assert await server.dead() == 0
    await amqp_link.up()
    with pytest.raises(Exhausted):
        await consuming

    await becomes(["Poison: no"], lambda: _reasons(server, amqp_link))


@pytest.mark.parametrize("frames", [1, 3])
async def test_publishing_to_a_frozen_broker_is_unknown_in_time(begin: Begin, amqp_link: Link, frames: int) -> None:
    sender = await begin()
    amqp_link.freeze()

    async with asyncio.timeout(WAIT_S_MAX):
        outcomes = await sender.publisher.publish([to_outgoing(request()) for _ in range(frames)])

    assert outcomes == [PublishOutcome.UNKNOWN] * frames


async def test_what_a_frozen_broker_did_not_confirm_is_handled_once(
    server: Server, begin: Begin, amqp_link: Link
) -> None:
    sender, handler = await begin(), Recorder()
    await begin(handler)
    amqp_link.freeze()
    async with sender.unit.once(dispatch=False) as tx:
        sent = [tx.emit(request().message) for _ in range(3)]
    assert await asyncio.gather(*map(sender.outbox.dispatch, sent)) == [PublishOutcome.UNKNOWN] * 3
    assert sorted(await server.outbox()) == sorted(envelope.id for envelope in sent)

    amqp_link.thaw()

    await becomes([], server.outbox)
    await becomes(sorted(envelope.id for envelope in sent), lambda: _effects_in_order(server))
    assert sorted(message for group in handler.handled for message in group) == sorted(e.id for e in sent)


async def test_publishing_while_the_broker_is_away_is_unknown_at_once(begin: Begin, amqp_link: Link) -> None:
    sender = await begin()
    await amqp_link.down()
    await becomes(False, lambda: _is_connected(sender.publisher))

    async with sender.unit.once(dispatch=False) as tx:
        envelope = tx.emit(request().message)

    assert await sender.outbox.dispatch(envelope) is PublishOutcome.UNKNOWN
    assert not await sender.ready()
    await amqp_link.up()
    await becomes(True, sender.ready)
    await becomes(PublishOutcome.CONFIRMED, lambda: sender.outbox.dispatch(envelope))


@pytest.mark.parametrize("trouble", ["frozen", "away"])
async def test_a_stop_ends_whatever_the_broker_does(
    server: Server, begin: Begin, amqp_link: Link, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    monkeypatch.setattr(bus, "STOP_S_MAX", 0.2)
    service = await begin(Recorder())
    if trouble == "frozen":
        amqp_link.freeze()
    else:
        await amqp_link.down()
    async with service.unit.once() as tx:
        left = tx.emit(request().message)

    await asyncio.wait_for(service.stop(), 60)

    assert not await service.ready()
    assert await server.outbox() == [left.id]


async def test_draining_waits_until_what_was_committed_is_published(
    server: Server, begin: Begin, without_sweeper: None
) -> None:
    sender = await begin()
    async with sender.unit.once() as tx:
        sent = [tx.emit(request().message).id for _ in range(300)]

    await sender.outbox.drain()
    assert await server.outbox() == []

    await begin(Recorder())
    await becomes(sorted(sent), lambda: _effects_in_order(server))


async def _effects_in_order(server: Server) -> list[UUID]:
    return sorted(await server.effects())


async def _count(server: Server) -> int:
    return len(await server.effects())


async def _is_connected(publisher: Publisher) -> bool:
    return publisher.is_connected


async def _reasons(server: Server, link: Link) -> list[str]:
    return [letter.reason for letter in await list_dead(link.url, server.queue)]
