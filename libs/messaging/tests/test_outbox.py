"""The outbox: a row goes only when its message is confirmed, and what a crash left is sent by the next sweep."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest
from aio_pika.abc import AbstractIncomingMessage

from atelier_contracts import CreditRefunded, Envelope, unwrap, wrap
from atelier_messaging import Bus, PublishOutcome, outbox, publisher
from atelier_messaging.link import Link
from atelier_messaging.publisher import OutgoingMessage
from atelier_messaging.testing import becomes, happens
from atelier_telemetry import metrics

from .conftest import Begin
from .server import Recorder, Server, request, to_outgoing

pytestmark = pytest.mark.stack

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
AGED = "UPDATE outbox SET created_at = now() - interval '1 hour'"


async def test_a_confirmed_message_leaves_the_outbox_and_lies_in_its_queue(server: Server, begin: Begin) -> None:
    bus = await begin()
    async with bus.unit.once(dispatch=False) as tx:
        envelope = tx.emit(request().message)

    assert await bus.outbox.dispatch(envelope) is PublishOutcome.CONFIRMED

    await becomes([], server.outbox)
    (raw,) = await server.take(1)
    assert _read(raw) == envelope
    assert raw.message_id == str(envelope.id)
    assert raw.delivery_mode == 2


async def test_a_row_stays_until_the_confirm(server: Server, begin: Begin, amqp_link: Link) -> None:
    bus = await begin()
    amqp_link.freeze()

    async with bus.unit.once() as tx:
        envelope = tx.emit(request().message)
    assert await server.outbox() == [envelope.id]
    amqp_link.thaw()

    await becomes([], server.outbox)
    assert [_read(raw).id for raw in await server.take(1)] == [envelope.id]


async def test_a_crash_between_commit_and_publish_is_made_good_by_the_sweeper(server: Server, begin: Begin) -> None:
    left = request()
    await _leave_behind(server, left)

    await begin(Recorder())

    await becomes([left.id], server.effects)
    await becomes([], server.outbox)


async def test_a_swept_message_is_the_one_that_was_written(server: Server, begin: Begin, without_sweeper: None) -> None:
    """A row holds only what its other columns do not say; one of an earlier version holds all headers."""
    usual = wrap(request().message, source="atelier/gateway", traceparent=TRACEPARENT)
    foreign, earlier = request(), wrap(request().message, source="atelier/elsewhere", traceparent=TRACEPARENT)
    await _leave_behind(server, usual, foreign, earlier)
    stored = {row["id"]: row["headers"] for row in await server.pool.fetch("SELECT id, headers FROM outbox")}
    await server.pool.execute(
        "UPDATE outbox SET headers = $2, traceparent = NULL WHERE id = $1", earlier.id, earlier.headers
    )

    assert await (await begin()).outbox.sweep() == 3

    assert stored[usual.id] is None
    swept = {envelope.id: envelope for envelope in map(_read, await server.take(3))}
    assert swept == {envelope.id: envelope for envelope in (usual, foreign, earlier)}


async def test_the_sweeper_leaves_young_rows_to_those_who_wrote_them(
    server: Server, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "SWEEP_AFTER_S", 3_600.0)
    young = request()
    async with server.pool.acquire() as connection:
        await outbox.save(connection, [young])

    assert await (await begin()).outbox.sweep() == 0
    assert await server.outbox() == [young.id]


async def test_two_sweepers_send_each_row_once(
    server: Server, begin: Begin, without_sweeper: None, amqp_link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "PUBLISH_S_MAX", 30.0)
    left = [request() for _ in range(20)]
    await _leave_behind(server, *left)
    first, second = await begin(), await begin()

    amqp_link.freeze()
    sweeping = asyncio.create_task(first.outbox.sweep())
    await happens(amqp_link.held)
    assert await asyncio.wait_for(second.outbox.sweep(), 60) == 0
    amqp_link.thaw()

    assert await sweeping == 20
    assert await server.outbox() == []
    assert {_read(raw).id for raw in await server.take(20)} == {envelope.id for envelope in left}
    assert await server.is_empty()


async def test_a_sweep_keeps_what_was_not_confirmed(server: Server, begin: Begin, without_sweeper: None) -> None:
    routable, unroutable = request(), _unroutable_message()
    await _leave_behind(server, unroutable, routable)

    assert await (await begin()).outbox.sweep() == 1
    assert await server.outbox() == [unroutable.id]


@pytest.mark.parametrize(
    "damage", ["name = 'gateway.unknown.v1'", "body = 'no JSON'", "headers = '[]'"], ids=["name", "body", "headers"]
)
async def test_a_row_that_cannot_be_read_stays_and_those_behind_it_are_sent(
    server: Server, begin: Begin, without_sweeper: None, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    unreadable, behind = request(), request()
    await _leave_behind(server, unreadable, behind)
    await server.pool.execute(f"UPDATE outbox SET {damage} WHERE id = $1", unreadable.id)
    await server.pool.execute("UPDATE outbox SET created_at = now() - interval '2 hours' WHERE id = $1", unreadable.id)
    counted = metrics.OUTBOX_UNREADABLE._value.get()

    bus = await begin()

    assert await bus.outbox.sweep() == 1

    assert await server.outbox() == [unreadable.id]
    assert [_read(raw).id for raw in await server.take(1)] == [behind.id]
    assert metrics.OUTBOX_UNREADABLE._value.get() == counted + 1
    assert f"reading outbox row {unreadable.id} failed" in caplog.text
    assert await server.pool.fetchval("SELECT now() - created_at < interval '1 hour' FROM outbox")


async def test_a_row_that_cannot_be_read_is_tried_again_when_it_is_the_only_one(
    server: Server, begin: Begin, without_sweeper: None
) -> None:
    left = request()
    await _leave_behind(server, left)
    bus = await begin()
    await server.pool.execute("UPDATE outbox SET name = 'gateway.unknown.v1'")

    assert await bus.outbox.sweep() == 0
    await server.pool.execute("UPDATE outbox SET name = $1", left.message.name)
    await server.pool.execute(AGED)

    assert await bus.outbox.sweep() == 1


async def test_what_waits_is_counted_while_the_broker_is_away(
    server: Server, begin: Begin, without_sweeper: None, amqp_link: Link
) -> None:
    bus = await begin()
    await amqp_link.down()
    await becomes(False, _connection_of(bus))
    metrics.OUTBOX_PENDING.set(0)
    await _leave_behind(server, *(request() for _ in range(3)))

    assert await bus.outbox.sweep() == 0

    assert metrics.OUTBOX_PENDING._value.get() == 3
    await amqp_link.up()


async def test_a_sweeper_works_off_more_than_one_window(
    server: Server, begin: Begin, without_sweeper: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outbox, "SWEEP_ROWS_MAX", 20)
    await _leave_behind(server, *(request() for _ in range(50)))
    bus = await begin()

    assert [await bus.outbox.sweep() for _ in range(4)] == [20, 20, 10, 0]


async def test_an_unroutable_message_is_reported_and_kept(server: Server, begin: Begin) -> None:
    bus = await begin()
    async with bus.unit.once(dispatch=False) as tx:
        unheard = tx.emit(_unroutable_message().message)

    assert await bus.outbox.dispatch(unheard) is PublishOutcome.UNROUTABLE
    await bus.outbox.drain()
    assert await server.outbox() == [unheard.id]


async def test_one_unroutable_message_harms_no_other_of_its_window(server: Server, begin: Begin) -> None:
    bus = await begin()
    routable = [to_outgoing(request()) for _ in range(5)]
    unroutable = to_outgoing(_unroutable_message())

    outcomes = await bus.publisher.publish([*routable[:2], unroutable, *routable[2:]])

    assert outcomes == [PublishOutcome.CONFIRMED] * 2 + [PublishOutcome.UNROUTABLE] + [PublishOutcome.CONFIRMED] * 3
    await becomes(5, server.count)


async def test_a_message_that_a_queue_refuses_may_have_reached_another(server: Server, begin: Begin) -> None:
    bus, full = await begin(), f"{server.queue}.full"
    queue = await server.channel.declare_queue(
        full, exclusive=True, arguments={"x-max-length": 0, "x-overflow": "reject-publish"}
    )
    exchange = await server.channel.get_exchange("atelier")
    await queue.bind(exchange, "gateway.cancel_requested.v1")

    assert await bus.publisher.publish([to_outgoing(request())]) == [PublishOutcome.UNKNOWN]
    await becomes(1, server.count)


async def test_an_extra_key_brings_a_copy_to_its_queue_and_need_not_exist(server: Server, begin: Begin) -> None:
    bus = await begin()
    copies = await server.channel.declare_queue(exclusive=True)
    await copies.bind(await server.channel.get_exchange("atelier"), "gateway.reply.here")

    async with bus.unit.once(dispatch=False) as tx:
        envelope = tx.emit(request().message, cc=["gateway.reply.here", "gateway.reply.gone"])

    assert await bus.outbox.dispatch(envelope) is PublishOutcome.CONFIRMED
    assert _read(await copies.get()).id == envelope.id
    await becomes(1, server.count)


async def test_the_sweeper_sends_the_copies_too(server: Server, begin: Begin) -> None:
    copies = await server.channel.declare_queue(exclusive=True)
    await copies.bind(await server.channel.get_exchange("atelier"), "gateway.reply.here")
    left = wrap(request().message, source="atelier/test", cc=("gateway.reply.here",))
    await _leave_behind(server, left)

    await begin()

    await becomes([], server.outbox)
    swept = await copies.get()
    assert _read(swept).id == left.id
    assert swept.headers == left.headers | {"CC": ["gateway.reply.here"]}


async def test_replies_reach_the_instance_that_asked_and_survive_nonsense(server: Server, begin: Begin) -> None:
    heard: list[UUID] = []

    async def hear(envelope: Envelope) -> None:
        heard.append(envelope.id)

    bus = await begin(replies=("gateway.reply.me", hear))
    nonsense = OutgoingMessage(b"nonsense", {}, "odd", "gateway.reply.me")
    async with bus.unit.once() as tx:
        assert await bus.publisher.publish([nonsense]) == [PublishOutcome.CONFIRMED]
        replies = [tx.emit(request().message, cc=["gateway.reply.me"]) for _ in range(3)]

    await becomes([reply.id for reply in replies], _now(heard))


def _now(heard: list[UUID]) -> Callable[[], Awaitable[list[UUID]]]:
    async def look() -> list[UUID]:
        return heard

    return look


def _connection_of(bus: Bus) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return bus.publisher.is_connected

    return look


def _unroutable_message() -> Envelope:
    """A message that no queue of these tests receives."""
    return wrap(CreditRefunded(generation_id=request().message.subject, refunded=1), source="atelier/test")


async def _leave_behind(server: Server, *envelopes: Envelope) -> None:
    """Rows as a process leaves them that committed and then died."""
    async with server.pool.acquire() as connection:
        await outbox.save(connection, envelopes)
        await connection.execute(AGED)


def _read(raw: AbstractIncomingMessage) -> Envelope:
    return unwrap(raw.body, raw.headers)
