"""What the form logs of each request: the fields that seed 002 lists for monitoring and error logging, as JSON
``extra``.

Never image URLs, which may be signed and so are secrets, and never a prompt: only how many or how long.
"""

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from starlette.requests import Request

from atelier_gateway.surfaces.form.requests import GenerationForm
from atelier_gateway.surfaces.form.responses import STATUS_CODES, timestamp
from atelier_gateway.web.client_ip import ClientIp
from atelier_gateway.web.problems import Problem
from atelier_gateway.web.request_id import REQUEST_ID

USER_AGENT_CHARS_MAX = 200
logger = logging.getLogger(__name__)


@dataclass(slots=True)
class RequestLogEntry:
    """The log entry of a request while the request runs."""

    status: int = 500
    user_id: UUID | None = None
    form_fields: Mapping[str, Any] = field(default_factory=dict)

    def set_form(self, form: GenerationForm) -> None:
        """Records the sanitised form."""
        self.form_fields = {
            "productImages": len(form.productImages),
            "modelImages": len(form.modelImages),
            "customPromptChars": len(form.customPrompt or ""),
            **form.model_dump(include={"style", "aspectRatio", "quality", "model", "parameters"}, exclude_none=True),
        }


@contextmanager
def log_request(request: Request, client_ip: ClientIp) -> Iterator[RequestLogEntry]:
    """Logs the request when it ends, and its error if it fails."""
    started, entry = time.perf_counter(), RequestLogEntry()
    try:
        yield entry
    except Exception as error:
        entry.status = STATUS_CODES.get(error.code, error.status) if isinstance(error, Problem) else 500
        _log_error(request, client_ip, entry, error)
        raise
    finally:
        logger.info("form request", extra=_line(request, entry) | {"duration": _ms_since(started)})


def _log_error(request: Request, client_ip: ClientIp, entry: RequestLogEntry, error: Exception) -> None:
    is_surprise = not isinstance(error, Problem)
    context = {
        "userId": str(entry.user_id) if entry.user_id else None,
        "endpoint": request.url.path,
        "method": request.method,
        "userAgent": request.headers.get("user-agent", "")[:USER_AGENT_CHARS_MAX],
        "ip": client_ip(request.scope),
    }
    error_fields = {"message": str(error) if not is_surprise else repr(error), "name": type(error).__name__}
    extra = _line(request, entry) | {"error": error_fields, "context": context, "requestData": entry.form_fields}
    # The stack of a refusal tells nothing; that of a surprise is all there is.
    logger.log(logging.ERROR if is_surprise else logging.WARNING, "form error", extra=extra, exc_info=is_surprise)


def _line(request: Request, entry: RequestLogEntry) -> dict[str, Any]:
    return {
        "endpoint": request.url.path,
        "method": request.method,
        "status": entry.status,
        "timestamp": timestamp(),
        "requestId": REQUEST_ID.get(),
    }


def _ms_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1_000)
