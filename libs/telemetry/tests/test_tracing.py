"""The trace context on its way across the bus: it survives the trip, and a broken one breaks nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, ParentBased, Sampler
from pydantic import SecretStr

from atelier_telemetry.settings import TelemetrySettings
from atelier_telemetry.tracing import configure, current_traceparent, parent_from, sampler, traceparent_of

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


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


def test_a_public_service_records_by_its_own_ratio_whatever_a_stranger_says() -> None:
    tracer = _tracer(sampler(0.0, is_public=True))

    assert not tracer.start_span("child", context=parent_from(TRACEPARENT)).is_recording()


def test_a_colleague_that_records_a_trace_is_followed() -> None:
    tracer = _tracer(sampler(0.0, is_public=False))

    assert tracer.start_span("child", context=parent_from(TRACEPARENT)).is_recording()


def test_a_query_string_never_reaches_a_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("opentelemetry.trace.set_tracer_provider", lambda provider: None)
    provider = configure("gateway", TelemetrySettings(service_token=SecretStr("sixteen-characters")), is_public=True)

    span = provider.get_tracer("t").start_span("GET", attributes={"url.path": "/v1/x", "url.query": "api_key=canary"})

    assert isinstance(span, ReadableSpan)
    assert dict(span.attributes or {}) == {"url.path": "/v1/x", "url.query": "REDACTED"}
    provider.shutdown()
