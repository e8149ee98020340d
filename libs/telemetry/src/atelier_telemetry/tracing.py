"""One trace from the client's POST to the stored picture: set-up, and carrying the context across the bus.

The context travels as a W3C ``traceparent`` in each outbox row and message, so a restart does not break the trace.

Which traces are recorded is decided at their root, by the ratio: what is not recorded costs next to nothing. Failures
are kept nevertheless, by ``keep_failure``: the failure itself, and what follows from it.
"""

import re
from collections.abc import Sequence

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import Span as RecordedSpan
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, SamplingResult, TraceIdRatioBased
from opentelemetry.trace import Link, NonRecordingSpan, Span, SpanContext, SpanKind, StatusCode, TraceFlags, Tracer
from opentelemetry.trace.span import TraceState
from opentelemetry.util.types import Attributes

from atelier_telemetry.attributes import ERROR_TYPE, GENERATION_ID
from atelier_telemetry.settings import TelemetrySettings

EXPORT_DELAY_MS = 1_000
QUEUE_SPANS_MAX = 8_192
EXEMPLAR_LABEL = "trace_id"
"""Of an exemplar: Grafana's data source names it, too."""
REDACTED = "REDACTED"
_QUERY, _PATH = "url.query", "url.path"
_GENERATION_PATH = re.compile(
    r"/(?:generations?|story-generations|jobs|holds|receipts|queue)/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})"
)
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class SpanRules(SpanProcessor):
    """Rules for every span. Query strings stay out of traces: a credential put there by mistake must not reach the
    collector. A request for a generation, and a span inside one that concerns a generation, is found by its id."""

    def on_start(self, span: RecordedSpan, parent_context: Context | None = None) -> None:
        known = span.attributes or {}
        if _QUERY in known:
            span.set_attribute(_QUERY, REDACTED)
        if GENERATION_ID in known:
            return
        if (named := generation_in(str(known.get(_PATH, "")))) is not None:
            span.set_attribute(GENERATION_ID, named)
            return
        around = trace.get_current_span(parent_context)
        if isinstance(around, RecordedSpan) and (id_ := (around.attributes or {}).get(GENERATION_ID)) is not None:
            span.set_attribute(GENERATION_ID, id_)


class _ByRatio(TraceIdRatioBased):
    """Of new traces. One that only links to others, as that of a batch does, is recorded with any of them."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        given = (parent_context, trace_id, name, kind, attributes, links, trace_state)
        if any(link.context.trace_flags.sampled for link in links or ()):
            return ALWAYS_ON.should_sample(*given)
        return super().should_sample(*given)


class _ForeignTraces(TraceIdRatioBased):
    """Of traces that begin elsewhere, at a public service. The ``sampled`` flag of a request is its client's to set, so
    the ratio decides; a message comes from another service of ours, whose decision is followed."""

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        given = (parent_context, trace_id, name, kind, attributes, links, trace_state)
        return super().should_sample(*given) if kind is SpanKind.SERVER else ALWAYS_ON.should_sample(*given)


def sampler(ratio: float, *, is_public: bool) -> ParentBased:
    """Records ``ratio`` of the new traces and every trace that another service records. A public service decides by the
    ratio for clients' traces too: their ``sampled`` flag is theirs to set, what is recorded is the operator's."""
    by_ratio = _ByRatio(ratio)
    return ParentBased(by_ratio, remote_parent_sampled=_ForeignTraces(ratio)) if is_public else ParentBased(by_ratio)


def configure(service: str, settings: TelemetrySettings, *, is_public: bool = False) -> TracerProvider:
    """Installs the process's tracer provider; call ``shutdown()`` on it to flush. ``is_public``: clients call it."""
    provider = TracerProvider(
        resource=Resource.create({"service.name": service, "deployment.environment.name": settings.environment}),
        sampler=sampler(settings.trace_ratio, is_public=is_public),
    )
    provider.add_span_processor(SpanRules())
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


def generation_in(path: str) -> str | None:
    """The id of the generation that a URL's path names."""
    found = _GENERATION_PATH.search(path)
    return found[1] if found else None


def is_sampled(span: Span) -> bool:
    """Whether its trace is recorded; also of one that has ended, or is another process's."""
    return span.get_span_context().trace_flags.sampled


def keep_failure(
    span: Span,
    name: str,
    error_type: str,
    reason: str = "",
    *,
    kind: SpanKind = SpanKind.INTERNAL,
    attributes: Attributes = None,
    began_ns: int | None = None,
) -> Span:
    """Marks a span as failed and returns it. In a trace that is not recorded, this failure is recorded alone, as a span
    of that name which began then and ends now; what has the returned span as its cause is recorded from there on.
    ``error_type``: one of few words; ``reason``: a sentence."""
    if span.is_recording():
        span.set_attribute(ERROR_TYPE, error_type)
        span.set_status(StatusCode.ERROR, reason)
        return span
    context = span.get_span_context()
    if not context.is_valid:
        return span
    parent = SpanContext(context.trace_id, context.span_id, is_remote=False, trace_flags=_SAMPLED)
    around = trace.set_span_in_context(NonRecordingSpan(parent), Context())
    failure = trace.get_tracer(__name__).start_span(name, around, kind, attributes, start_time=began_ns)
    failure.set_attribute(ERROR_TYPE, error_type)
    failure.set_status(StatusCode.ERROR, reason)
    failure.end()
    return NonRecordingSpan(failure.get_span_context())


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


def exemplar_of(span: Span) -> dict[str, str] | None:
    """The exemplar by which a histogram's bucket leads to this span; None where its trace is not recorded."""
    context = span.get_span_context()
    if not context.trace_flags.sampled:
        return None
    return {EXEMPLAR_LABEL: f"{context.trace_id:032x}", "span_id": f"{context.span_id:016x}"}


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
    return trace.set_span_in_context(NonRecordingSpan(context), Context()) if context.is_valid else Context()


__all__ = [
    "Span",
    "SpanKind",
    "configure",
    "current_traceparent",
    "exemplar_of",
    "generation_in",
    "is_sampled",
    "keep_failure",
    "parent_from",
    "sampler",
    "trace_id_of",
    "traceparent_of",
    "tracer",
]
