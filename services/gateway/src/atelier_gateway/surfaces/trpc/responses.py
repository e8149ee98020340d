"""How shoppers see their try-ons over tRPC."""

from starlette.responses import Response

from atelier_gateway.generations import try_on
from atelier_gateway.generations.surface_responses import SurfaceResponses
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.surfaces.trpc.protocol import PREFIX, SURFACE, render_problem, result_envelope
from atelier_gateway.web.json_bodies import json_response
from atelier_storage.objects import ObjectStore


def render_accepted(generation: NewGeneration) -> Response:
    """200 with ``{sessionId, status}``."""
    return json_response(result_envelope({"sessionId": str(generation.id), "status": "queued"}), 200)


def try_on_view(generation: Generation, objects: ObjectStore) -> dict[str, object]:
    """``{sessionId, status, generatedImageUrl, errorMessage}``."""
    return {
        "sessionId": str(generation.id),
        "status": try_on.STATUSES[generation.snapshot.state],
        "generatedImageUrl": try_on.picture_url(generation, objects),
        "errorMessage": try_on.error_message(generation),
    }


RESPONSES = SurfaceResponses(SURFACE, f"POST {PREFIX}/tryOn.create", render_accepted, render_problem)
