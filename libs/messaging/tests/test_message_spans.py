"""The spans of messages: an arrow from each sender to each receiver, by OpenTelemetry's conventions."""

from collections.abc import Iterator
from uuid import UUID, uuid4

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from atelier_contracts import CancelRequested, Envelope, wrap
from atelier_messaging import message_spans
from atelier_telemetry.tracing import Span, parent_from, sampler, traceparent_of

SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = SAMPLED[:-2] + "00"
QUEUE = "session.saga"
NAME = CancelRequested.name


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What a process exports that records no trace of its own accord."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=sampler(0.0, is_public=False))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(message_spans, "_spans", provider.get_tracer("test"))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    yield exporter
    provider.shutdown()


def arrived(traceparent: str | None, id_: UUID | None = None) -> Envelope:
    message = CancelRequested(generation_id=id_ or uuid4())
    return wrap(message, source="atelier/gateway", traceparent=traceparent)


def sender(traceparent: str) -> Span:
    return trace.get_current_span(parent_from(traceparent))


def test_a_message_is_created_by_its_cause_and_processed_as_a_child_of_its_creation(
    recorded: InMemorySpanExporter,
) -> None:
    id_ = uuid4()
    creation = message_spans.start_creation(CancelRequested(generation_id=id_), sender(SAMPLED))
    creation.end()
    envelope = arrived(traceparent_of(creation), id_)
    message_spans.start_processing(QUEUE, envelope).end()

    produced, consumed = recorded.get_finished_spans()
    assert (produced.name, produced.kind) == (f"create atelier:{NAME}", SpanKind.PRODUCER)
    assert (consumed.name, consumed.kind) == (f"process atelier:{NAME}:{QUEUE}", SpanKind.CONSUMER)
    assert produced.parent is not None and f"{produced.parent.span_id:016x}" == SAMPLED.split("-")[2]
    assert consumed.parent is not None and consumed.parent.span_id == produced.context.span_id
    assert dict(consumed.attributes or {}) == {
        "messaging.system": "rabbitmq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": f"atelier:{NAME}:{QUEUE}",
        "messaging.rabbitmq.destination.routing_key": NAME,
        "messaging.message.id": str(envelope.id),
        "atelier.generation.id": str(id_),
    }


def test_a_trace_that_is_not_recorded_travels_on_without_spans(recorded: InMemorySpanExporter) -> None:
    creation = message_spans.start_creation(CancelRequested(generation_id=uuid4()), sender(UNSAMPLED))
    span = message_spans.start_processing(QUEUE, arrived(traceparent_of(creation)))
    span.end()

    assert traceparent_of(span) == UNSAMPLED
    assert recorded.get_finished_spans() == ()


def test_messages_of_one_transaction_share_a_span_with_a_link_to_each(recorded: InMemorySpanExporter) -> None:
    envelopes = [arrived(SAMPLED), arrived(UNSAMPLED), arrived(SAMPLED.replace("0af7", "1af7"))]
    spans = [message_spans.start_processing(QUEUE, envelope) for envelope in envelopes]

    message_spans.start_batch(QUEUE, envelopes, spans).end()
    for span in spans:
        span.end()

    batch, *single = recorded.get_finished_spans()
    assert (batch.name, batch.kind, batch.parent) == (f"process atelier:{QUEUE}", SpanKind.CONSUMER, None)
    assert (batch.attributes or {})["messaging.batch.message_count"] == 3
    assert [f"{link.context.trace_id:032x}"[:4] for link in batch.links] == ["0af7", "1af7"]
    assert [[link.context.span_id for link in span.links] for span in single] == [[batch.context.span_id]] * 2


def test_a_message_alone_and_a_batch_without_a_recorded_trace_share_no_span(recorded: InMemorySpanExporter) -> None:
    for envelopes in ([arrived(SAMPLED)], [arrived(UNSAMPLED), arrived(None)]):
        assert not message_spans.start_batch(QUEUE, envelopes, []).is_recording()
        assert not message_spans.start_sending(envelopes).is_recording()


def test_messages_that_are_published_at_once_share_a_span_with_a_link_to_each_creation(
    recorded: InMemorySpanExporter,
) -> None:
    message_spans.start_sending([arrived(SAMPLED), arrived(SAMPLED)]).end()

    [span] = recorded.get_finished_spans()
    assert (span.name, span.kind, len(span.links)) == ("send atelier", SpanKind.CLIENT, 2)


@pytest.mark.parametrize("traceparent", [SAMPLED, UNSAMPLED], ids=["recorded", "not recorded"])
def test_a_message_that_failed_is_kept_whether_or_not_its_trace_is_recorded(
    recorded: InMemorySpanExporter, traceparent: str
) -> None:
    envelope = arrived(traceparent)
    span = message_spans.start_processing(QUEUE, envelope)

    message_spans.fail_processing(span, QUEUE, envelope, ZeroDivisionError("by zero"), began_ns=17)

    [kept] = recorded.get_finished_spans()
    assert (kept.name, kept.kind) == (f"process atelier:{NAME}:{QUEUE}", SpanKind.CONSUMER)
    assert kept.status.status_code is StatusCode.ERROR
    assert (kept.attributes or {})["error.type"] == "ZeroDivisionError"
    assert (kept.attributes or {})["atelier.generation.id"] == str(envelope.message.subject)
    assert trace_ids([kept]) == {traceparent.split("-")[1]}


def trace_ids(spans: list[ReadableSpan]) -> set[str]:
    return {f"{span.context.trace_id:032x}" for span in spans}
