"""JSON logs, one object a line, each with the trace it belongs to."""

import logging
import sys

from opentelemetry import trace
from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from atelier_telemetry.settings import TelemetrySettings


class _TraceIds(logging.Filter):
    """Adds the current trace and span, so that a log line leads to its trace; a line that names a trace keeps it."""

    def filter(self, record: logging.LogRecord) -> bool:
        context = trace.get_current_span().get_span_context()
        if context.is_valid and not hasattr(record, "trace_id"):
            record.trace_id = f"{context.trace_id:032x}"
            record.span_id = f"{context.span_id:016x}"
        return True


def configure(service: str, settings: TelemetrySettings) -> None:
    """Sends every logger of the process to stderr as JSON: time (ISO 8601, UTC), level, logger, message, service, and
    any ``extra``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_TraceIds())
    handler.setFormatter(
        JsonFormatter(
            "{levelname}{name}{message}",
            style="{",
            timestamp="time",
            rename_fields={"levelname": "level", "name": "logger"},
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],  # the message again, with escape codes (uvicorn)
            static_fields={"service": service},
        )
    )
    # No line says where in the code, or in which thread or process: looking it up is a third of a line's cost.
    logging._srcfile = None  # as the library's manual has it
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.basicConfig(level=settings.log_level, handlers=[handler], force=True)
    for noisy in ("aio_pika", "aiormq", "faststream", "urllib3", "httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
