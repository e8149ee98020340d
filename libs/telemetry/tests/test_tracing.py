"""The trace context on its way across the bus: it survives the trip, and a broken one breaks nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from opentelemetry.trace import Link, SpanKind, StatusCode
from pydantic import SecretStr

from atelier_telemetry.attributes import GENERATION_ID
from atelier_telemetry.settings import TelemetrySettings
from atelier_telemetry.tracing import (
    SpanRules,
    configure,
    current_traceparent,
    keep_failure,
    parent_from,
    sampler,
    traceparent_of,
)

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = TRACEPARENT[:-2] + "00"


@given(trace_id=st.integers(1, 2**128 - 1), span_id=st.integers(1, 2**64 - 1), flags=st.sampled_from([0, 1]))
def test_a_traceparent_comes_back_as_it_was_sent(trace_id: int, span_id: int, flags: int) -> None:
    traceparent = f"00-{trace_id:032x}-{span_id:016x}-{flags:02x}"

    assert traceparent_of(trace.get_current_span(parent_from(traceparent))) == traceparent


def test_a_child_belongs_to_the_trace_of_its_parent() -> None:
    parent = parent_from(TRACEPARENT)

    child = _tracer(ALWAYS_ON).start_span("child", context=parent)

    assert traceparent_of(child) is not None
    assert str(traceparent_of(child)).split("-")[1] == TRACEPARENT.split("-")[1]
    assert str(traceparent_of(child)).split("-")[2] != TRACEPARENT.split("-")[2]


def test_a_parent_that_was_not_sampled_is_followed() -> None:
    child = _tracer(ParentBased(ALWAYS_ON)).start_span("child", context=parent_from(TRACEPARENT[:-2] + "00"))

    assert not child.is_recording()


def test_a_sampled_parent_is_followed() -> None:
    child = _tracer(ParentBased(ALWAYS_OFF)).start_span("child", context=parent_from(TRACEPARENT))

    assert child.is_recording()


@pytest.mark.parametrize(
    "malformed",
    [
        None,
        "",
        "-",
        "00",
        "not-a-trace-parent",
        "00-xyz-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-zz",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0af7651916cd43dd8448eb211c80319c00-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b716920333100-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-999",
        "00--0af7651916cd43dd8448eb211c80319-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-more",
    ],
)
def test_a_malformed_traceparent_starts_a_new_trace(malformed: str | None) -> None:
    span = _tracer(ALWAYS_ON).start_span("child", context=parent_from(malformed))

    assert span.get_span_context().is_valid
    assert span.get_span_context().trace_id != int(TRACEPARENT.split("-")[1], 16)


@given(header=st.text(max_size=80) | st.from_regex(r"[0-9a-f-]{0,80}", fullmatch=True))
def test_no_header_whatsoever_raises(header: str) -> None:
    parent_from(header)


def test_there_is_no_traceparent_outside_a_trace() -> None:
    assert current_traceparent() is None


def test_the_current_traceparent_is_that_of_the_span_at_work() -> None:
    with _tracer(ALWAYS_ON).start_as_current_span("work") as span:
        assert current_traceparent() == traceparent_of(span)


def _tracer(sampler: Sampler) -> trace.Tracer:
    return TracerProvider(sampler=sampler).get_tracer(__name__)


def test_a_public_service_records_by_its_own_ratio_whatever_a_client_says() -> None:
    tracer = _tracer(sampler(0.0, is_public=True))

    assert not tracer.start_span("GET", context=parent_from(TRACEPARENT), kind=SpanKind.SERVER).is_recording()


def test_a_public_service_follows_a_message_for_only_services_send_any() -> None:
    tracer = _tracer(sampler(0.0, is_public=True))

    assert tracer.start_span("process", context=parent_from(TRACEPARENT), kind=SpanKind.CONSUMER).is_recording()


def test_what_only_links_to_a_recorded_trace_is_recorded() -> None:
    tracer = _tracer(sampler(0.0, is_public=False))
    linked = [Link(trace.get_current_span(parent_from(TRACEPARENT)).get_span_context())]
    unlinked = [Link(trace.get_current_span(parent_from(UNSAMPLED)).get_span_context())]

    assert tracer.start_span("batch", Context(), links=linked).is_recording()
    assert not tracer.start_span("batch", Context(), links=unlinked).is_recording()


def test_a_failure_is_kept_where_nothing_else_of_its_trace_is_recorded(kept: InMemorySpanExporter) -> None:
    around = trace.get_current_span(parent_from(UNSAMPLED))

    failure = keep_failure(around, "render", "refused", "no", attributes={GENERATION_ID: "7"}, began_ns=17)

    [span] = kept.get_finished_spans()
    assert (span.name, span.start_time, span.status.description) == ("render", 17, "no")
    assert dict(span.attributes or {}) == {GENERATION_ID: "7", "error.type": "refused"}
    assert span.parent is not None and f"{span.parent.span_id:016x}" == UNSAMPLED.split("-")[2]
    assert traceparent_of(failure) == f"{UNSAMPLED[:36]}{span.context.span_id:016x}-01"  # what follows is recorded


def test_a_failure_in_a_recorded_trace_marks_its_own_span(kept: InMemorySpanExporter) -> None:
    with trace.get_tracer(__name__).start_as_current_span("render", parent_from(TRACEPARENT)) as span:
        assert keep_failure(span, "other", "refused") is span

    [only] = kept.get_finished_spans()
    assert (only.name, only.status.status_code) == ("render", StatusCode.ERROR)


def test_without_any_trace_a_failure_has_no_span(kept: InMemorySpanExporter) -> None:
    assert keep_failure(trace.INVALID_SPAN, "render", "refused") is trace.INVALID_SPAN
    assert kept.get_finished_spans() == ()


def test_a_request_for_a_generation_and_what_happens_inside_is_found_by_its_id() -> None:
    provider = TracerProvider()
    provider.add_span_processor(SpanRules())
    id_ = "01a1fd11-dfa5-77cf-8de6-79b863c68f29"
    tracer = provider.get_tracer("t")

    def generation_of(span: trace.Span) -> object:
        assert isinstance(span, ReadableSpan)
        return (span.attributes or {}).get(GENERATION_ID)

    with tracer.start_as_current_span("GET", attributes={"url.path": f"/v1/generations/{id_}"}) as request:
        inside = tracer.start_span("storage get")
    batch = tracer.start_span("GET", attributes={"url.path": f"/v1/generation-batches/{id_}"})

    assert (generation_of(request), generation_of(inside), generation_of(batch)) == (id_, id_, None)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What a process exports that records no trace of its own accord."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(sampler=sampler(0.0, is_public=False))
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


def test_a_service_that_records_a_trace_is_followed() -> None:
    tracer = _tracer(sampler(0.0, is_public=False))

    assert tracer.start_span("child", context=parent_from(TRACEPARENT)).is_recording()


def test_a_query_string_never_reaches_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opentelemetry.trace.set_tracer_provider", lambda provider: None)
    provider = configure("gateway", TelemetrySettings(service_token=SecretStr("sixteen-characters")), is_public=True)

    span = provider.get_tracer("t").start_span("GET", attributes={"url.path": "/v1/x", "url.query": "api_key=canary"})

    assert isinstance(span, ReadableSpan)
    assert dict(span.attributes or {}) == {"url.path": "/v1/x", "url.query": "REDACTED"}
    provider.shutdown()
