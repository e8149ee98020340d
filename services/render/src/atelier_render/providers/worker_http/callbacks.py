"""Callbacks from workers: each ends one wait early and decides nothing, so losing or repeating one does no harm."""

from collections.abc import Mapping
from typing import NamedTuple

from fastapi import APIRouter, HTTPException, Request, Response
from pydantic import ValidationError

from atelier_render.providers.toolkit.callbacks import CallbackWaiters
from atelier_render.providers.worker_http.contract import Hint
from atelier_render.providers.worker_http.signatures import Signer

HINT_BYTES_MAX = 4_096
CALLBACKS = "/callbacks"


class Listener(NamedTuple):
    """Who may call, and who is woken."""

    signer: Signer
    hints: CallbackWaiters


def callbacks_router(listeners: Mapping[str, Listener]) -> APIRouter:
    """``POST /callbacks/{worker}``, by worker name; open to anyone who can sign as that worker."""
    router = APIRouter(prefix=CALLBACKS, include_in_schema=False)

    @router.post("/{worker}", status_code=204)
    async def receive_callback(worker: str, request: Request) -> Response:
        """204 for a signed hint, with or without a waiter; 401 for everything else, an unknown worker included."""
        body = await _body(request)
        listener = listeners.get(worker)
        if listener is None or not listener.signer.accepts(request.headers, body):
            raise HTTPException(401, "the signature is not that of a worker we know, or too old")
        try:
            listener.hints.ring(Hint.model_validate_json(body).key)
        except ValidationError as error:
            raise HTTPException(422, "the body of a callback is a JSON object with the key of a job") from error
        return Response(status_code=204)

    return router


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > HINT_BYTES_MAX:
            raise HTTPException(413, f"a callback has at most {HINT_BYTES_MAX} bytes")
    return bytes(body)
