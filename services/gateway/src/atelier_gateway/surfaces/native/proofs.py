"""What anyone needs to verify a receipt: the published keys, and proofs from the log. Public, for a receipt is shown to
others; the log holds hashes only."""

from collections.abc import Awaitable, Mapping
from typing import TypeVar

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.peers import transparency_log
from atelier_gateway.peers.client import PeerUnavailable, unavailable_problem
from atelier_gateway.surfaces.native.receipt_openapi import ConsistencyProof, InclusionProof, PublishedKeys
from atelier_gateway.web.json_bodies import id_from_path, json_response
from atelier_gateway.web.openapi_responses import public_answers, query
from atelier_gateway.web.problems import field_problem, not_found

Answer = TypeVar("Answer")
KEYS = public_answers({200: ("The current key first.", PublishedKeys)})
CHECKPOINT = public_answers({200: ("A signed note (C2SP tlog-checkpoint).", None)}, "not_found")
INCLUSION = public_answers({200: ("With the checkpoint that it leads to.", InclusionProof)}, "not_found")
CONSISTENCY = public_answers(
    {200: ("The hashes, as RFC 9162 orders them.", ConsistencyProof)}, "invalid_request", "not_found"
)
SIZES = [
    query("old", {"type": "integer", "minimum": 1}, "Entries of the smaller tree; required."),
    query("new", {"type": "integer", "minimum": 1}, "Entries of the larger one; the last checkpoint's."),
]
SIZE_DIGITS_MAX = 15
CACHE_S = 300


def router(container: Container) -> APIRouter:
    """Routes without credentials."""
    routes = APIRouter(tags=["Proofs"])

    @routes.get("/.well-known/jwks.json", responses=KEYS)
    async def get_published_keys() -> Response:
        """Get the keys that sign receipts and checkpoints, as a JSON Web Key Set."""
        reply = json_response(await _answer_of(container.peers.get_published_keys()))
        reply.headers["Cache-Control"] = f"public, max-age={CACHE_S}"
        return reply

    @routes.get("/v1/log/checkpoint", responses=CHECKPOINT)
    async def get_log_checkpoint() -> Response:
        """Get the last signed checkpoint of the log: its name, its size, its root, the signature."""
        note = await _answer_of(transparency_log.find_checkpoint(container.peers))
        if note is None:
            raise not_found("checkpoint yet")
        return Response(note, media_type="text/plain")

    @routes.get("/v1/log/entries/{id}/inclusion", responses=INCLUSION)
    async def get_inclusion_proof(id: str) -> Response:
        """Get the proof that a receipt or a posting, by its id, stands in the log."""
        proof = await _answer_of(transparency_log.prove_inclusion(container.peers, id_from_path(id, "entry")))
        if proof is None:
            raise not_found("entry under a checkpoint yet")
        return json_response(proof)

    @routes.get("/v1/log/consistency", responses=CONSISTENCY, openapi_extra={"parameters": SIZES})
    async def get_consistency_proof(request: Request) -> Response:
        """Get the proof that a larger tree of the log continues a smaller one."""
        old, new = _size_of(request.query_params, "old"), _size_of(request.query_params, "new")
        if old is None:
            raise field_problem("old", "a whole number from 1 is required")
        proof = await _answer_of(transparency_log.prove_consistency(container.peers, old, new))
        if proof is None:
            raise not_found("pair of signed trees, the smaller one first")
        return json_response(proof)

    return routes


def _size_of(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= SIZE_DIGITS_MAX and int(text)):
        raise field_problem(name, "a whole number from 1 is required")
    return int(text)


async def _answer_of(answering: Awaitable[Answer]) -> Answer:
    try:
        return await answering
    except PeerUnavailable as error:
        raise unavailable_problem(error) from error
