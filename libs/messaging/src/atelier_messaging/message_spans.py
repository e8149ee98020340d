"""The spans of messages, by OpenTelemetry's conventions for messaging.

One PRODUCER span where a message is created, in the transaction that decides to send it, and one CONSUMER span where it
is processed, its child: so a map of services has an arrow for each. Messages that share a transaction or a publish
share a span, too: in a trace of its own, for it belongs to no single one of theirs, with a link to each.

A message of a trace that is not recorded has no spans: its sender's ids travel on.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link

from atelier_contracts import Envelope, Message
from atelier_contracts.message import GenerationMessage
from atelier_contracts.routes import EXCHANGE
from atelier_telemetry import attributes
from atelier_telemetry.tracing import Span, SpanKind, is_sampled, keep_failure, parent_from, tracer

LINKS_MAX = 128
"""Of one span, as the SDK allows."""
_spans = tracer(__name__)


def start_creation(message: Message, cause: Span) -> Span:
    """The span of a message that is created because of ``cause``, to be ended when that is committed; ``cause`` itself
    where nothing is recorded."""
    if not is_sampled(cause):
        return cause
    name, known = _description("create", message.name, "")
    parent = trace.set_span_in_context(cause, Context())
    return _spans.start_span(name, parent, SpanKind.PRODUCER, known | _generation(message))


def start_processing(queue: str, envelope: Envelope) -> Span:
    """The span under which a message from this queue is handled."""
    parent = parent_from(envelope.traceparent)
    sender = trace.get_current_span(parent)
    if sender.get_span_context().is_valid and not is_sampled(sender):
        return sender
    name, known = _description("process", envelope.message.name, queue)
    of_this = {attributes.MESSAGING_ID: str(envelope.id)} | _generation(envelope.message)
    return _spans.start_span(name, parent, SpanKind.CONSUMER, known | of_this)


def start_batch(queue: str, envelopes: Sequence[Envelope], spans: Sequence[Span]) -> Span:
    """The span of messages, each with a span of its own, that are processed in one transaction; it records nothing
    where there is only one, or none that is recorded."""
    links = list(_creations(envelopes)) if len(envelopes) > 1 else []
    if not links:
        return trace.INVALID_SPAN
    batch = _start_shared(f"process {EXCHANGE}:{queue}", SpanKind.CONSUMER, "process", f"{EXCHANGE}:{queue}", links)
    batch.set_attribute(attributes.BATCH_SIZE, len(envelopes))
    for span in spans:
        span.add_link(batch.get_span_context())
    return batch


def start_sending(envelopes: Sequence[Envelope]) -> Span:
    """The span of messages that are published at once; it records nothing where there is only one, or none that is
    recorded."""
    links = list(_creations(envelopes)) if len(envelopes) > 1 else []
    if not links:
        return trace.INVALID_SPAN
    span = _start_shared(f"send {EXCHANGE}", SpanKind.CLIENT, "send", EXCHANGE, links)
    span.set_attribute(attributes.BATCH_SIZE, len(envelopes))
    return span


def fail_processing(span: Span, queue: str, envelope: Envelope, error: Exception, began_ns: int) -> None:
    """Ends the span of a message that failed alone; it is kept whether or not its trace is recorded."""
    name, known = _description("process", envelope.message.name, queue)
    of_this = known | {attributes.MESSAGING_ID: str(envelope.id)} | _generation(envelope.message)
    error_type = type(error).__qualname__
    span.record_exception(error)
    keep_failure(span, name, error_type, str(error), kind=SpanKind.CONSUMER, attributes=of_this, began_ns=began_ns)
    span.end()


@lru_cache(maxsize=1_024)
def _description(operation: str, message: str, queue: str) -> tuple[str, dict[str, str]]:
    """Name and attributes that all spans of such an operation have in common."""
    destination = ":".join(part for part in (EXCHANGE, message, queue) if part)
    return f"{operation} {destination}", {
        attributes.MESSAGING_SYSTEM: "rabbitmq",
        attributes.MESSAGING_OPERATION: operation,
        attributes.MESSAGING_OPERATION_TYPE: operation,
        attributes.MESSAGING_DESTINATION: destination,
        attributes.MESSAGING_ROUTING_KEY: message,
    }


def _generation(message: Message) -> dict[str, str]:
    return {attributes.GENERATION_ID: str(message.subject)} if isinstance(message, GenerationMessage) else {}


def _creations(envelopes: Sequence[Envelope]) -> Iterator[Link]:
    for envelope in envelopes:
        creation = trace.get_current_span(parent_from(envelope.traceparent))
        if is_sampled(creation):
            yield Link(creation.get_span_context())


def _start_shared(name: str, kind: SpanKind, operation: str, destination: str, links: Sequence[Link]) -> Span:
    known = {
        attributes.MESSAGING_SYSTEM: "rabbitmq",
        attributes.MESSAGING_OPERATION: operation,
        attributes.MESSAGING_OPERATION_TYPE: operation,
        attributes.MESSAGING_DESTINATION: destination,
    }
    return _spans.start_span(name, Context(), kind, known, links[:LINKS_MAX])
