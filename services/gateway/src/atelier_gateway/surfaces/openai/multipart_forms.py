"""Parses multipart forms within bounds; an unreadable form is refused with what its sender has to change."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request

from atelier_gateway.web.problems import Problem

PARTS_MAX = 40
FIELD_BYTES_MAX = 64 * 1024
AS_A_FILE = "a picture is sent as a file, whose part has a file name (filename=…)"
NOT_READABLE = "The body is no multipart form that can be read; compare its parts with the boundary in Content-Type."
ADVICE: Mapping[str, str] = {
    "Missing boundary": "Content-Type names no boundary; leave that header to the HTTP client, which knows it.",
    "Part exceeded": f"A part without a file name has at most {FIELD_BYTES_MAX // 1024} KB; {AS_A_FILE}.",
    "Too many": f"A form has at most {PARTS_MAX} fields and {PARTS_MAX} files.",
    "The Content-Disposition": "Every part needs a name in its Content-Disposition.",
}
"""By the beginning of the parser's own message."""


@asynccontextmanager
async def form_of(request: Request) -> AsyncIterator[FormData]:
    """The form of a request. Raises Problem 400."""
    if not request.headers.get("Content-Type", "").lower().startswith("multipart/form-data"):
        raise Problem("invalid_request", "This route takes multipart/form-data.")
    try:
        form = await request.form(max_files=PARTS_MAX, max_fields=PARTS_MAX, max_part_size=FIELD_BYTES_MAX)
    except HTTPException as error:
        raise Problem("invalid_request", _advice(error.detail)) from None
    try:
        yield form
    finally:
        await form.close()


def _advice(said: str) -> str:
    return next((advice for begins, advice in ADVICE.items() if said.startswith(begins)), NOT_READABLE)
