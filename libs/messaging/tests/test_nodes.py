"""A broker node that freezes, a connection that only we know to be lost: left within seconds, for the next address."""

import asyncio
import time
from uuid import UUID, uuid4

import aio_pika
import pytest
from pydantic import SecretStr

from atelier_contracts import Envelope
from atelier_contracts.routes import EXCHANGE, reply_key
from atelier_messaging import BrokerSettings, Bus, PublishOutcome, connection
from atelier_messaging.connection import BrokerConnection
from atelier_messaging.link import Link
from atelier_messaging.testing import becomes, happens

from .conftest import Begin
from .server import Recorder, Server, request, to_outgoing

pytestmark = pytest.mark.stack


async def test_a_loss_of_our_side_alone_heals_while_the_broker_still_holds_the_old_connection(
    server: Server, begin: Begin, amqp_link: Link
) -> None:
    key, heard = reply_key(uuid4().hex), asyncio.Queue[Envelope]()
    service = await begin(Recorder(), replies=(key, heard.put))
    held = await amqp_link.cut_client_side()
    await becomes(False, service.ready)

    await becomes(True, service.ready)
    reply, batch = request(), [request() for _ in range(10)]
    exchange = await server.channel.get_exchange(EXCHANGE, ensure=False)
    await exchange.publish(aio_pika.Message(reply.body.encode(), headers=dict(reply.headers)), key)
    await server.send(*batch)

    assert held == 2  # one to publish, one to consume: the broker was told of neither's end
    assert (await asyncio.wait_for(heard.get(), 60)).id == reply.id
    await becomes({envelope.id for envelope in batch}, lambda: _effects_of(server, batch))
    assert (await service.publisher.publish([to_outgoing(request())])) == [PublishOutcome.CONFIRMED]


async def test_a_node_that_freezes_is_left_for_the_next_address(
    server: Server, begin: Begin, amqp_link: Link, other_link: Link, watchful: None, first_address_first: None
) -> None:
    service = await begin(Recorder(), url=f"{amqp_link.url},{other_link.url}")
    amqp_link.freeze()

    async with service.unit.once() as tx:
        sent = [tx.emit(request().message) for _ in range(10)]

    await becomes([], server.outbox)
    await becomes(True, service.ready)
    assert not amqp_link.flows
    amqp_link.thaw()  # the broker hears that the old connection is gone, and gives what it sent there to the new one
    await becomes({envelope.id for envelope in sent}, lambda: _effects_of(server, sent))


async def test_a_node_is_not_left_for_the_silence_of_a_process_that_did_not_run(watchful: None) -> None:
    watched, clock = BrokerConnection(["amqp://127.0.0.1:1/"], "test"), asyncio.get_running_loop().time
    answer = asyncio.create_task(asyncio.Event().wait())
    listening = asyncio.create_task(watched._listen(answer, clock()))
    await asyncio.sleep(0)

    time.sleep(2 * connection.SILENCE_S_MAX)  # noqa: ASYNC251 - as a machine that is paused
    for _ in range(10):
        await asyncio.sleep(0)

    assert not listening.done()
    watched._line.received_at = clock()
    await listening
    answer.cancel()


async def test_a_node_that_confirms_nothing_is_left_though_it_may_be_alive(
    begin: Begin, amqp_link: Link, other_link: Link, first_address_first: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "PROBE_EVERY_S", 3_600.0)  # nobody asks it
    service = await begin(url=f"{amqp_link.url},{other_link.url}")
    amqp_link.freeze()

    outcomes = [(await service.publisher.publish([to_outgoing(request())]))[0] for _ in range(3)]

    assert outcomes == [PublishOutcome.UNKNOWN] * 3
    await becomes(PublishOutcome.CONFIRMED, lambda: _publish(service))


class LostReports(asyncio.Event):
    """As the library's wake-up of its reconnection, which goes astray until another task reconnects."""

    def __init__(self, consuming: BrokerConnection) -> None:
        super().__init__()
        self.lost = asyncio.Event()
        self._consuming = consuming
        self._stalled = self._reconnection

    @property
    def _reconnection(self) -> object:
        return getattr(self._consuming, "_RobustConnection__reconnection_task")  # noqa: B009 - the name would be mangled

    def set(self) -> None:
        if self._reconnection is self._stalled:
            self.lost.set()
        else:
            super().set()


async def test_a_consuming_connection_whose_reconnection_stands_still_is_started_over(
    server: Server,
    begin: Begin,
    amqp_link: Link,
    watchful: None,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(connection, "STANDSTILL_S_MAX", 2.0)
    service, sent = await begin(Recorder()), request()
    consuming = service.broker._connection
    assert isinstance(consuming, BrokerConnection)
    reports = LostReports(consuming)
    monkeypatch.setattr(consuming, "_RobustConnection__restore_event", reports)

    await amqp_link.cut()
    await happens(reports.lost)
    await server.send(sent)

    await becomes([sent.id], server.effects)
    await becomes(True, service.ready)
    assert "test consume: reconnecting failed for 2 s, starting over" in caplog.text


async def test_a_first_connection_that_stands_still_is_started_over(
    amqp_link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "STANDSTILL_S_MAX", 1.0)

    first = await _open_past_a_lost_report(amqp_link, monkeypatch)

    assert first.usable
    await first.close()


async def test_a_service_that_was_never_connected_gives_up(amqp_link: Link, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "OPEN_S_MAX", 1.0)

    with pytest.raises(ConnectionError, match=r"no broker of ATELIER_AMQP_URL accepts us: "):
        await _open_past_a_lost_report(amqp_link, monkeypatch)


async def _open_past_a_lost_report(link: Link, monkeypatch: pytest.MonkeyPatch) -> BrokerConnection:
    """Opens a connection whose first attempt fails without a report of it; then the broker answers."""
    monkeypatch.setattr(connection, "CONNECT_S_MAX", 0.3)
    first = BrokerConnection([link.url, link.url], "test")
    link.freeze()
    opening = asyncio.create_task(first.open())
    await happens(link.held)
    reports = LostReports(first)
    monkeypatch.setattr(first, "_RobustConnection__restore_event", reports)
    await happens(reports.lost)
    link.thaw()
    await opening
    return first


async def test_a_channel_that_waits_for_a_blocked_connection_does_not_keep_the_next_one_away(
    amqp_link: Link, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Seen after a disk alarm: a channel that had been closed waited, under its lock, for the end of the alarm on a
    connection that was lost in the meantime, and every new connection waited for that lock."""
    monkeypatch.setattr(connection, "CONNECT_S_MAX", 1.0)
    monkeypatch.setattr(connection, "RESTORE_S_MAX", 3.0)
    opened = BrokerConnection([amqp_link.url], "test")
    await opened.open()
    channel = await opened.channel()
    assert opened.transport is not None
    monkeypatch.setattr(opened.transport.connection, "ready", asyncio.Event().wait)
    channel._RobustChannel__restored.clear()  # type: ignore[attr-defined]
    restoring = asyncio.create_task(channel.restore())
    await asyncio.sleep(0.1)

    await amqp_link.cut()

    await becomes(False, lambda: _is_usable(opened))
    await becomes(True, lambda: _is_usable(opened))
    await asyncio.gather(restoring, return_exceptions=True)
    await opened.close()


async def _is_usable(opened: BrokerConnection) -> bool:
    return opened.usable


async def test_an_address_that_does_not_answer_is_passed_over_at_the_start(
    server: Server, begin: Begin, amqp_link: Link, watchful: None, first_address_first: None
) -> None:
    service = await begin(Recorder(), url=f"amqp://127.0.0.1:1,{amqp_link.url}")
    sent = request()

    await server.send(sent)

    await becomes([sent.id], server.effects)
    assert await service.ready()


async def test_a_start_against_a_frozen_broker_ends_when_it_is_cancelled(server: Server, amqp_link: Link) -> None:
    service = Bus("test", BrokerSettings(amqp_url=SecretStr(amqp_link.url)), server.pool)
    amqp_link.freeze()
    starting = asyncio.create_task(service.start())
    await happens(amqp_link.held)

    starting.cancel()

    with pytest.raises(asyncio.CancelledError):
        await starting


async def test_a_start_against_a_frozen_broker_gives_up_and_says_which_address(
    server: Server, amqp_link: Link, watchful: None
) -> None:
    service = Bus("test", BrokerSettings(amqp_url=SecretStr(amqp_link.url)), server.pool)
    amqp_link.freeze()

    with pytest.raises(ConnectionError, match=r"no broker of ATELIER_AMQP_URL accepts us: amqp://127\.0\.0\.1:\d+: "):
        await service.start()


async def test_connections_tell_the_broker_whose_they_are_and_what_for(begin: Begin, amqp_link: Link) -> None:
    await begin(Recorder())

    assert b"test publish" in amqp_link.said
    assert b"test consume" in amqp_link.said


async def _effects_of(server: Server, batch: list[Envelope]) -> set[UUID]:
    return set(await server.effects()) & {envelope.id for envelope in batch}


async def _publish(service: Bus) -> PublishOutcome:
    return (await service.publisher.publish([to_outgoing(request())]))[0]
