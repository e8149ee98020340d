"""How the on-model surface (seed 004) renders jobs, catalogues and errors."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.responses import Response

from atelier_contracts.catalogue import BACKGROUNDS, MANNEQUINS, Colour
from atelier_gateway.generations.provider_catalogue import UnsupportedOption
from atelier_gateway.projection.snapshot import State
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.surfaces.onmodel.requests import FEATURES, Feature, invalid_field
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.problems import Problem
from atelier_storage.objects import PRESIGN_S_MAX, ObjectStore

SURFACE = "onmodel"
ESTIMATED_S = 30
STATUSES: Mapping[State, str] = {
    "accepted": "processing",
    "queued": "processing",
    "rendering": "processing",
    "delivering": "processing",
    "succeeded": "completed",
    "failed": "failed",
    "cancelled": "failed",
    "expired": "failed",
    "rejected": "failed",
}
CREATE_PATH = "/v1/generate"


def render_problem(problem: Problem) -> Response:
    """``{success: false, message, error_code}`` (004.4); our codes in capitals."""
    body = {"success": False, "message": problem.detail, "error_code": problem.code.upper()}
    return problem.respond(body)


def render_accepted(generation: NewGeneration) -> Response:
    """The 202 (004.2)."""
    feature = _feature(generation)
    body = {
        "success": True,
        "job_id": str(generation.id),
        "message": f"{feature.words.capitalize()} generation started",
        "estimated_time": ESTIMATED_S,
        "status": "processing",
        **_request_fields(generation),
        "generated_at": _timestamp(generation.created_at),
    }
    return json_response(body, 202)


def job_view(generation: Generation, objects: ObjectStore) -> dict[str, Any]:
    """The 200, also of a status question; the URL is signed as it is read, for 15 minutes."""
    snapshot, feature = generation.snapshot, _feature(generation)
    status = STATUSES[snapshot.state]
    output = snapshot.outputs[0] if snapshot.outputs else None
    return {
        "success": status != "failed",
        "message": message_of(generation),
        **_request_fields(generation),
        "generated_at": _timestamp(generation.updated_at),
        "image_url": objects.presign_get(output["key"], PRESIGN_S_MAX) if output else None,
        "status": status,
        "feature": feature.name,
    }


def message_of(generation: Generation) -> str:
    """A sentence about the state of the job."""
    snapshot, words = generation.snapshot, _feature(generation).words
    match STATUSES[snapshot.state]:
        case "completed":
            return f"{words} image generation completed"
        case "processing":
            return f"{words} image generation in progress"
        case _:
            return str((snapshot.error or {}).get("message", f"{words} image generation was {snapshot.state}"))


def mannequin_list() -> Response:
    """The models to choose from; creates take their ids (settled question 21)."""
    entries = [
        {"id": figure.id, "name": figure.name, "skin": _hex(figure.skin), "hair": _hex(figure.hair)}
        for figure in MANNEQUINS.values()
    ]
    return json_response({"success": True, "models": entries})


def background_list() -> Response:
    """The backgrounds to choose from; creates take their ids (settled question 21)."""
    entries = [
        {
            "id": background.id,
            "name": background.name,
            "backdrop": background.backdrop,
            "colors": [_hex(background.first), _hex(background.second)],
        }
        for background in BACKGROUNDS.values()
    ]
    return json_response({"success": True, "backgrounds": entries})


def display_id(id_: str) -> int | str:
    """A number when it is one (004.3); ``007`` is none, for it would come back as another id."""
    return int(id_) if id_.isascii() and id_.isdecimal() and str(int(id_)) == id_ else id_


def _feature(generation: NewGeneration) -> Feature:
    return next(feature for feature in FEATURES.values() if feature.kind == generation.kind)


def _request_fields(generation: NewGeneration) -> dict[str, int | str]:
    fields = generation.request
    model = {"model_id": display_id(fields["modelId"])} if "modelId" in fields else {}
    return {**model, "background_id": display_id(fields["backgroundId"]), "photo_count": len(fields["photos"])}


def _timestamp(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def option_problem(found: UnsupportedOption) -> Problem:
    return invalid_field(f"options.{found.field}", f"{found.message}.")
