"""One trace from the client's POST to the stored picture: set-up, and carrying the context across the bus.

The context travels as a W3C ``traceparent`` in each outbox row and message, so a restart does not break the trace.
"""

import re

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span as RecordedSpan
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanContext, SpanKind, TraceFlags, Tracer

from atelier_telemetry.settings import TelemetrySettings

EXPORT_DELAY_MS = 1_000
QUEUE_SPANS_MAX = 8_192
REDACTED = "REDACTED"
_QUERY = "url.query"
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class QueryRedaction(SpanProcessor):
    """Keeps query strings out of traces: a credential put there by mistake must not reach the collector."""

    def on_start(self, span: RecordedSpan, parent_context: Context | None = None) -> None:  # noqa: ARG002
        if _QUERY in (span.attributes or {}):
            span.set_attribute(_QUERY, REDACTED)


def sampler(ratio: float, *, is_public: bool) -> ParentBased:
    """Records ``ratio`` of the new traces and every trace that a colleague records. A public service decides by the
    ratio for strangers' traces too: their ``sampled`` flag is theirs to set, what is recorded is the operator's."""
    by_ratio = TraceIdRatioBased(ratio)
    return ParentBased(by_ratio, remote_parent_sampled=by_ratio) if is_public else ParentBased(by_ratio)


def configure(service: str, settings: TelemetrySettings, *, is_public: bool = False) -> TracerProvider:
    """Installs the process's tracer provider; call ``shutdown()`` on it to flush. ``is_public``: strangers call it."""
    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "deployment.environment.name": settings.environment}),
        sampler=sampler(settings.trace_ratio, is_public=is_public),
    )
    provider.add_span_processor(QueryRedaction())
    if settings.otlp_endpoint:
        exporter = OTLPSpanExporter(endpoint=f"{settings.otlp_endpoint.rstrip('/')}/v1/traces", timeout=5)
        provider.add_span_processor(
            BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_DELAY_MS, max_queue_size=QUEUE_SPANS_MAX)
        )
    trace.set_tracer_provider(provider)
    return provider


def tracer(module: str) -> Tracer:
    """The tracer of a module; works before ``configure`` too."""
    return trace.get_tracer(module)


def traceparent_of(span: Span) -> str | None:
    """W3C traceparent of a span, None where there is no trace."""
    context = span.get_span_context()
    if not context.is_valid:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def trace_id_of(span: Span) -> str | None:
    """The id of a span's trace, 32 hex digits; None where there is no trace."""
    context = span.get_span_context()
    return f"{context.trace_id:032x}" if context.is_valid else None


def current_traceparent() -> str | None:
    """W3C traceparent of the span at work in this task."""
    return traceparent_of(trace.get_current_span())


def parent_from(traceparent: str | None) -> Context:
    """The context to start a child span in. A malformed header starts a new trace, as W3C asks."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None:
        return Context()
    trace_id, span_id, flags = (int(part, 16) for part in match.groups())
    context = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(flags))
    return trace.set_span_in_context(trace.NonRecordingSpan(context), Context()) if context.is_valid else Context()


__all__ = [
    "Span",
    "SpanKind",
    "configure",
    "current_traceparent",
    "parent_from",
    "sampler",
    "trace_id_of",
    "traceparent_of",
    "tracer",
]
