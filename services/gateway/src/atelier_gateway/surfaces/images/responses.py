"""How seed 003's surface shows a generation. Pure but for the signing of URLs."""

from typing import Any

from starlette.responses import Response

from atelier_gateway.generations.model_notices import made_by
from atelier_gateway.projection.snapshot import TERMINAL, Snapshot, State
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.web.json_bodies import json_response
from atelier_storage.objects import PRESIGN_S_MAX, ObjectStore

STATUSES: dict[State, str] = {
    "accepted": "PENDING",
    "queued": "PENDING",
    "rendering": "PENDING",
    "succeeded": "COMPLETED",
    "failed": "FAILED",
    "cancelled": "FAILED",
    "expired": "FAILED",
    "rejected": "FAILED",
}
"""Seed 003, GenerationStatus."""


def accepted(generation: NewGeneration, prefix: str) -> Response:
    """The 202: as it was at that moment, whenever it is said again."""
    at_first = Snapshot(state="queued", credits_reserved=generation.price)
    return json_response({"success": True, "data": _shown(generation, at_first, [], None, prefix)}, 202)


def view(generation: Generation, objects: ObjectStore, remaining: int | None, prefix: str) -> dict[str, Any]:
    """The generation as it is now, with the seed's record of it; image URLs are signed as they are read."""
    images = [_image(output, objects) for output in generation.snapshot.outputs]
    shown = _shown(generation, generation.snapshot, images, remaining, prefix)
    return shown | {"record": _record(generation, images[0]["url"] if images else None)}


def _image(output: dict[str, Any], objects: ObjectStore) -> dict[str, Any]:
    return {
        "url": objects.presign_get(output["key"], PRESIGN_S_MAX),
        "format": output["content_type"].removeprefix("image/"),
        "width": output.get("width"),
        "height": output.get("height"),
        "size": output["size"],
        "checksum": f"sha256:{output['sha256']}",
        "colours": list(output.get("colours", ())),
        "tags": list(output.get("tags", ())),
        "thumbnail": objects.presign_get(thumbnail, PRESIGN_S_MAX) if (thumbnail := output.get("thumbnail")) else None,
    }


def _shown(
    generation: NewGeneration, snapshot: Snapshot, images: list[dict[str, Any]], remaining: int | None, prefix: str
) -> dict[str, Any]:
    return {
        "id": str(generation.id),
        "status": STATUSES[snapshot.state],
        "provider": _maker(generation, snapshot),
        "asked_provider": generation.request.get("asked_provider", generation.request["provider"]),
        "model": generation.request["model"],
        "successor": generation.request.get("successor"),
        "made_by": made_by(snapshot),
        "reused": snapshot.reused,
        "images": images,
        "credits": {
            "reserved": snapshot.credits_reserved,
            "used": snapshot.credits_captured,
            "remaining": remaining,
        },
        "status_url": f"{prefix}/{generation.id}",
    }


def _maker(generation: NewGeneration, snapshot: Snapshot) -> str:
    """Who made it; until somebody has, who is asked: fail-over may have the last word."""
    return snapshot.maker or str(generation.request["provider"])


def _record(generation: Generation, result: str | None) -> dict[str, Any]:
    """Seed 003, model Generation. Pictures are not counted in tokens."""
    snapshot, asked = generation.snapshot, generation.request
    failed = STATUSES[snapshot.state] == "FAILED"
    return {
        "id": str(generation.id),
        "workspaceId": str(generation.owner.id),
        "userId": asked["userId"],
        "type": "IMAGE",
        "model": asked["model"],
        "provider": _maker(generation, snapshot),
        "prompt": asked.get("prompt", ""),
        "result": result,
        "tokens": 0,
        "credits": snapshot.credits_captured,
        "status": STATUSES[snapshot.state],
        "error": (snapshot.error or {}).get("message", snapshot.state) if failed else None,
        "createdAt": generation.created_at.isoformat(),
        "completedAt": generation.updated_at.isoformat() if snapshot.rank == TERMINAL else None,
    }
