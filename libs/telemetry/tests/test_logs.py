"""Logs are one JSON object a line, whatever is in them: a line break in a message must not forge a second line."""

import io
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from pydantic import SecretStr

from atelier_telemetry import logs
from atelier_telemetry.settings import TelemetrySettings

logger = logging.getLogger("atelier.test")


@pytest.fixture
def log_output(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the process writes to stderr once ``configure`` has run."""
    stderr = io.StringIO()
    monkeypatch.setattr("sys.stderr", stderr)
    root, level = logging.getLogger(), logging.getLogger().level
    monkeypatch.setattr(root, "handlers", [])
    logs.configure("billing", TelemetrySettings(service_token=SecretStr("sixteen-characters")))
    yield stderr
    root.setLevel(level)


def test_a_line_tells_when_who_where_and_what(log_output: io.StringIO) -> None:
    logger.info("held %d credits", 3, extra={"generation": "g-1"})

    (line,) = _lines(log_output)
    rfc_3339_in_utc = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(\+00:00|Z)"
    assert re.fullmatch(rfc_3339_in_utc, line.pop("time"))
    assert line == {
        "level": "INFO",
        "logger": "atelier.test",
        "message": "held 3 credits",
        "service": "billing",
        "generation": "g-1",
    }


@pytest.mark.parametrize(
    "message", ["one\r\ntwo", 'quote " and \\', "\x00\x1b[31m", "\u2028\u2029\x85", "{asctime} %s", "\ud800"]
)
def test_whatever_the_message_it_stays_one_line(message: str, log_output: io.StringIO) -> None:
    logger.warning("%s", message)

    (line,) = _lines(log_output)
    assert line["message"] == message


def test_an_exception_stays_one_line_too(log_output: io.StringIO) -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logger.exception("it failed")

    (line,) = _lines(log_output)
    assert "ValueError: first\nsecond" in line["exc_info"]


def test_a_line_leads_to_its_trace(log_output: io.StringIO) -> None:
    with TracerProvider().get_tracer(__name__).start_as_current_span("work") as span:
        logger.info("inside")

    (line,) = _lines(log_output)
    assert line["trace_id"] == f"{span.get_span_context().trace_id:032x}"
    assert line["span_id"] == f"{span.get_span_context().span_id:016x}"


def test_a_value_json_does_not_know_does_not_lose_the_line(log_output: io.StringIO) -> None:
    logger.info("odd", extra={"odd": object()})

    (line,) = _lines(log_output)
    assert line["odd"]


def test_what_is_below_the_level_is_not_written(log_output: io.StringIO) -> None:
    logger.debug("too quiet")
    logging.getLogger("aio_pika").info("too chatty")

    assert _lines(log_output) == []


def _lines(log_output: io.StringIO) -> list[dict[str, Any]]:
    """What was written, split only where a collector splits."""
    return [json.loads(line) for line in log_output.getvalue().split("\n") if line]
