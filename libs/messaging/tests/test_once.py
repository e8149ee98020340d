"""``once()``: rows, inbox marks and outbox messages commit together, or none of them does; no message works twice."""

import asyncio
from uuid import UUID, uuid4

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanKind

from atelier_contracts import CancelRequested, wrap
from atelier_messaging import Delivery, Transaction, message_spans
from atelier_messaging.consumer import Consumer
from atelier_messaging.testing import becomes
from atelier_telemetry.tracing import traceparent_of

from .conftest import Begin
from .server import Exhausted, Recorder, Scripted, Server, request, write_effect

pytestmark = pytest.mark.stack

TRACEPARENT = f"00-{0xC0FFEE:032x}-{0xBEEF:016x}-01"


async def test_rows_marks_and_messages_commit_together(server: Server, begin: Begin) -> None:
    unit, cause = (await begin()).unit, Delivery(request())

    async with unit.once("a queue", [cause], dispatch=False) as tx:
        await write_effect(tx, cause)
        sent = tx.emit(CancelRequested(generation_id=cause.message.subject))
        assert await server.outbox() == await server.inbox() == await server.effects() == []

    assert await server.effects() == [cause.envelope.id]
    assert await server.inbox() == [cause.envelope.id]
    assert await server.outbox() == [sent.id]


async def test_an_exception_leaves_nothing_behind(server: Server, begin: Begin) -> None:
    unit, cause = (await begin()).unit, Delivery(request())

    with pytest.raises(ZeroDivisionError):
        async with unit.once("a queue", [cause]) as tx:
            await write_effect(tx, cause)
            tx.emit(CancelRequested(generation_id=cause.message.subject))
            raise ZeroDivisionError

    assert await server.outbox() == await server.inbox() == await server.effects() == []
    assert await server.count() == 0


async def test_a_message_seen_before_is_not_fresh(begin: Begin) -> None:
    unit, first, second = (await begin()).unit, Delivery(request()), Delivery(request())
    async with unit.once("a queue", [first]) as tx:
        assert list(tx.fresh) == [first]

    async with unit.once("a queue", [first, second]) as tx:
        assert list(tx.fresh) == [second]


async def test_another_consumer_sees_the_message_for_itself(begin: Begin) -> None:
    unit, delivery = (await begin()).unit, Delivery(request())
    async with unit.once("a queue", [delivery]):
        pass

    async with unit.once("another queue", [delivery]) as tx:
        assert list(tx.fresh) == [delivery]


async def test_fresh_messages_keep_their_order(begin: Begin) -> None:
    deliveries = [Delivery(request()) for _ in range(20)][::-1]

    async with (await begin()).unit.once("a queue", deliveries) as tx:
        assert list(tx.fresh) == deliveries


async def test_two_processes_with_the_same_message_handle_it_once(server: Server, begin: Begin) -> None:
    unit, envelope = (await begin()).unit, request()

    async def handle() -> int:
        async with unit.once("a queue", [Delivery(envelope)]) as tx:
            for delivery in tx.fresh:
                await write_effect(tx, delivery)
            return len(tx.fresh)

    assert sorted(await asyncio.gather(*(handle() for _ in range(5)))) == [0, 0, 0, 0, 1]
    assert await server.effects() == [envelope.id]


async def test_a_message_twice_in_one_batch_is_handled_once(server: Server, begin: Begin) -> None:
    twice, neighbour, handler = request(), request(), Recorder()
    await server.send(twice, neighbour, twice)

    await _consume(server, begin, handler, 3)

    assert handler.handled == [[twice.id, neighbour.id]]
    assert await server.effects() == [twice.id, neighbour.id]


async def test_a_redelivered_message_is_not_handled_again(server: Server, begin: Begin) -> None:
    again, fence, handler = request(), request(), Recorder()
    await begin(handler)

    await server.send(again)
    await becomes([again.id], server.effects)
    await server.send(again, fence)
    await becomes([again.id, fence.id], server.effects)

    assert [message for batch in handler.handled for message in batch] == [again.id, fence.id]


async def test_what_a_handler_emits_is_published_as_its_child(
    server: Server, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(message_spans, "_spans", provider.get_tracer("test"))
    cause = wrap(CancelRequested(generation_id=uuid4()), source="atelier/test", traceparent=TRACEPARENT)
    parents: list[str | None] = []
    spans: list[str | None] = []

    async def handler(tx: Transaction) -> None:
        for delivery in tx.fresh:
            parents.append(delivery.envelope.traceparent)
            spans.append(traceparent_of(delivery.span))
            await write_effect(tx, delivery)
            if delivery.envelope.id == cause.id:
                tx.emit(CancelRequested(generation_id=delivery.message.subject), cause=delivery)

    await begin(handler)
    await server.send(cause)

    await becomes(2, lambda: _count(server))
    await becomes([], server.outbox)
    [creation] = [span for span in exporter.get_finished_spans() if span.kind is SpanKind.PRODUCER]
    assert parents == [TRACEPARENT, traceparent_of(NonRecordingSpan(creation.context))]
    assert creation.parent is not None and f"-{creation.parent.span_id:016x}-" in str(spans[0])
    assert [span[:36] for span in spans if span] == [TRACEPARENT[:36]] * 2  # one trace, a span for each message
    assert len({TRACEPARENT, *spans}) == 3


async def _consume(server: Server, begin: Begin, handler: Recorder, count: int) -> None:
    """Handles that many waiting messages as one batch, to the ack."""
    bus, raws = await begin(), await server.take(count)
    with pytest.raises(Exhausted):
        await Consumer(server.queue, handler, bus.unit, bus.publisher).run(Scripted(raws))


async def _count(server: Server) -> int:
    return len(await server.effects())


async def test_what_waits_for_the_commit_sees_its_rows(server: Server, begin: Begin) -> None:
    unit, cause = (await begin()).unit, Delivery(request())
    seen: list[asyncio.Task[list[UUID]]] = []

    async with unit.once("a queue", [cause]) as tx:
        tx.after_commit(lambda: seen.append(asyncio.create_task(server.effects())))
        await write_effect(tx, cause)
        assert seen == []

    assert await seen[0] == [cause.envelope.id]


async def test_what_waits_for_a_commit_that_never_comes_is_not_called(begin: Begin) -> None:
    unit, called = (await begin()).unit, list[str]()

    with pytest.raises(ZeroDivisionError):
        async with unit.once() as tx:
            tx.after_commit(lambda: called.append("called"))
            raise ZeroDivisionError

    assert called == []


async def test_what_breaks_after_the_commit_does_not_undo_it_nor_stop_its_fellows(
    server: Server, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    unit, cause, called = (await begin()).unit, Delivery(request()), list[str]()

    async with unit.once("a queue", [cause]) as tx:
        tx.after_commit(lambda: 1 / 0)
        tx.after_commit(lambda: called.append("called"))
        await write_effect(tx, cause)

    assert await server.effects() == [cause.envelope.id]
    assert called == ["called"]
    assert "ZeroDivisionError" in caplog.text
