"""How seed 004's answers look."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from atelier_contracts.catalogue import BACKGROUNDS, MANNEQUINS, Colour
from atelier_gateway.projection.snapshot import State
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.surfaces.onmodel.requests import FEATURES, Feature
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import Problem
from atelier_storage.objects import PRESIGN_S_MAX, ObjectStore

SURFACE = "onmodel"
ESTIMATED_S = 30
STATUSES: Mapping[State, str] = {
    "accepted": "processing",
    "queued": "processing",
    "rendering": "processing",
    "succeeded": "completed",
    "failed": "failed",
    "cancelled": "failed",
    "expired": "failed",
    "rejected": "failed",
}


def problem(refusal: Problem) -> Response:
    """``{success: false, message, error_code}`` (004.4); our codes in capitals."""
    body = {"success": False, "message": refusal.detail, "error_code": refusal.code.upper()}
    response = json_response(body, refusal.status)
    response.headers.update(refusal.headers)
    return response


def accepted(generation: NewGeneration) -> Response:
    """The 202 (004.2)."""
    feature = _feature(generation)
    body = {
        "success": True,
        "job_id": str(generation.id),
        "message": f"{feature.words.capitalize()} generation started",
        "estimated_time": ESTIMATED_S,
        "status": "processing",
        **_chosen(generation),
        "generated_at": _moment(generation.created_at),
    }
    return json_response(body, 202)


def view(generation: Generation, objects: ObjectStore) -> dict[str, Any]:
    """The 200, also of a status question; the URL is signed as it is read, for 15 minutes."""
    snapshot, feature = generation.snapshot, _feature(generation)
    status = STATUSES[snapshot.state]
    output = snapshot.outputs[0] if snapshot.outputs else None
    return {
        "success": status != "failed",
        "message": message_of(generation),
        **_chosen(generation),
        "generated_at": _moment(generation.updated_at),
        "image_url": objects.presign_get(output["key"], PRESIGN_S_MAX) if output else None,
        "status": status,
        "feature": feature.name,
    }


def message_of(generation: Generation) -> str:
    """What a person is told about how it stands."""
    snapshot, words = generation.snapshot, _feature(generation).words
    match STATUSES[snapshot.state]:
        case "completed":
            return f"{words} image generation completed"
        case "processing":
            return f"{words} image generation in progress"
        case _:
            return str((snapshot.error or {}).get("message", f"{words} image generation was {snapshot.state}"))


def mannequins() -> Response:
    """The figures to choose from, their ids as creates take them (settled question 21)."""
    entries = [
        {"id": one.id, "name": one.name, "skin": _hex(one.skin), "hair": _hex(one.hair)} for one in MANNEQUINS.values()
    ]
    return json_response({"success": True, "models": entries})


def backgrounds() -> Response:
    """The backgrounds to choose from, their ids as creates take them (settled question 21)."""
    entries = [
        {
            "id": one.id,
            "name": one.name,
            "backdrop": one.backdrop,
            "colors": [_hex(one.first), _hex(one.second)],
        }
        for one in BACKGROUNDS.values()
    ]
    return json_response({"success": True, "backgrounds": entries})


def shown_id(id_: str) -> int | str:
    """A number when it is one (004.3); ``007`` is none, for it would come back as another id."""
    return int(id_) if id_.isascii() and id_.isdecimal() and str(int(id_)) == id_ else id_


def _feature(generation: NewGeneration) -> Feature:
    return next(feature for feature in FEATURES.values() if feature.kind == generation.kind)


def _chosen(generation: NewGeneration) -> dict[str, int | str]:
    asked = generation.request
    model = {"model_id": shown_id(asked["modelId"])} if "modelId" in asked else {}
    return {**model, "background_id": shown_id(asked["backgroundId"]), "photo_count": len(asked["photos"])}


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)
