"""What the form logs of each request: the fields that seed 002's monitoring and error logging list, as JSON ``extra``.

Never the pictures' URLs, which may be signed and so are secrets, and never a prompt: how much there was of each.
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
class Entry:
    """One request's line while it is being written."""

    status: int = 500
    user_id: UUID | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)

    def understood(self, form: GenerationForm) -> None:
        """The request, sanitised."""
        self.asked = {
            "productImages": len(form.productImages),
            "modelImages": len(form.modelImages),
            "customPromptChars": len(form.customPrompt or ""),
            **form.model_dump(include={"style", "aspectRatio", "quality", "model", "parameters"}, exclude_none=True),
        }


@contextmanager
def journalled(request: Request, client_ip: ClientIp) -> Iterator[Entry]:
    """Logs the request when it is over, and what went wrong, if something did."""
    started, entry = time.perf_counter(), Entry()
    try:
        yield entry
    except Exception as error:
        entry.status = STATUS_CODES.get(error.code, error.status) if isinstance(error, Problem) else 500
        _log_error(request, client_ip, entry, error)
        raise
    finally:
        logger.info("form request", extra=_line(request, entry) | {"duration": _ms_since(started)})


def _log_error(request: Request, client_ip: ClientIp, entry: Entry, error: Exception) -> None:
    surprise = not isinstance(error, Problem)
    context = {
        "userId": str(entry.user_id) if entry.user_id else None,
        "endpoint": request.url.path,
        "method": request.method,
        "userAgent": request.headers.get("user-agent", "")[:USER_AGENT_CHARS_MAX],
        "ip": client_ip(request.scope),
    }
    described = {"message": str(error) if not surprise else repr(error), "name": type(error).__name__}
    extra = _line(request, entry) | {"error": described, "context": context, "requestData": entry.asked}
    # The stack of a refusal tells nothing; that of a surprise is all there is.
    logger.log(logging.ERROR if surprise else logging.WARNING, "form error", extra=extra, exc_info=surprise)


def _line(request: Request, entry: Entry) -> dict[str, Any]:
    return {
        "endpoint": request.url.path,
        "method": request.method,
        "status": entry.status,
        "timestamp": timestamp(),
        "requestId": REQUEST_ID.get(),
    }


def _ms_since(started: float) -> int:
    return round((time.perf_counter() - started) * 1_000)
