"""The virtual try-on that the surfaces of seed 000 share: stores over REST, shoppers over tRPC, one pipeline."""

from collections.abc import Mapping, Sequence
from typing import Any

from atelier_contracts import Owner, RenderSpec, Simulation, Work
from atelier_gateway.generations.creation import Draft
from atelier_gateway.media.input_references import InputResolver, RequestedInput
from atelier_gateway.projection.snapshot import State
from atelier_gateway.projection.store import Generation
from atelier_storage.objects import PRESIGN_S_MAX, ObjectStore

DEFAULT_PROMPT = (
    "Dress the person of the first picture in the garments of the other pictures. "
    "Keep the face, the pose, the body and the background as they are."
)
STATUSES: Mapping[State, str] = {
    "accepted": "queued",
    "queued": "queued",
    "rendering": "processing",
    "delivering": "processing",
    "succeeded": "completed",
    "failed": "failed",
    "cancelled": "failed",
    "expired": "failed",
    "rejected": "failed",
}


async def draft(
    inputs: InputResolver,
    owner: Owner,
    images: Sequence[str],
    *,
    field: str,
    prompt: str | None,
    simulate: Simulation | None,
    request: Mapping[str, Any],
    deadline_s: int,
    key: str | None = None,
    fingerprint: bytes = b"",
) -> Draft:
    """A try-on of these images: the person first, then the garments. Raises Problem naming ``field`` and the image."""
    given = [RequestedInput(f"{field}.{i}", "garment" if i else "person", text) for i, text in enumerate(images)]
    spec = RenderSpec(
        kind="try_on",
        prompt=prompt or DEFAULT_PROMPT,
        inputs=await inputs.resolve(owner, given),
        simulate=simulate,
    )
    return Draft(Work(kind="try_on"), spec, dict(request), deadline_s, key, fingerprint)


def picture_url(generation: Generation, objects: ObjectStore) -> str | None:
    """Where the picture can be had for the next 15 minutes; signed as it is read."""
    outputs = generation.snapshot.outputs
    return objects.presign_get(outputs[0]["key"], PRESIGN_S_MAX) if outputs else None


def error_message(generation: Generation) -> str | None:
    """Why it failed, for its owner; None unless it did."""
    snapshot = generation.snapshot
    if STATUSES[snapshot.state] != "failed":
        return None
    return str((snapshot.error or {}).get("message", snapshot.state))
