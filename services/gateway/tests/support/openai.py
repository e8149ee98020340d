"""Requests in OpenAI's shape, and how their generations end."""

from atelier_contracts import Artefact, GenerationFailed, GenerationRequested, GenerationSucceeded, Message
from atelier_storage.keys import artefact_key

from .world import World

GENERATE = "/v1/images/generations"
PROMPT = {"prompt": "a red bicycle"}


def success_of(request: GenerationRequested) -> Message:
    """Every image of the request is made."""
    keys = [
        artefact_key(request.owner.kind, request.owner.id, request.generation_id, index, "png")
        for index in range(request.work.n)
    ]
    outputs = tuple(Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32) for key in keys)
    return GenerationSucceeded(
        generation_id=request.generation_id,
        outputs=outputs,
        delivered=len(keys),
        captured=10 * len(keys),
        refunded=0,
        provider="local",
    )


def failure_of(request: GenerationRequested) -> Message:
    """The provider failed."""
    return GenerationFailed(
        generation_id=request.generation_id, outcome="failed", code="provider_failed", reason="it is ill", refunded=10
    )


def last_request(world: World) -> GenerationRequested:
    """The last request that reached the session."""
    message = world.neighbours.heard[-1].message
    assert isinstance(message, GenerationRequested)
    return message
