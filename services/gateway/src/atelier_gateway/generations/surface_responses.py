"""How a surface words its answers to a create, and says a stored one again."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response

from atelier_gateway.generations.provider_catalogue import WordUnsupported, option_problem
from atelier_gateway.idempotency.keys import REPLAYED_HEADER, StoredResponse
from atelier_gateway.projection.store import NewGeneration
from atelier_gateway.web.problems import Problem


@dataclass(frozen=True, slots=True)
class SurfaceResponses:
    """How a surface words its answers to a create."""

    surface: str
    route: str
    accepted: Callable[[NewGeneration], Response]
    """The 201; made of what never changes, so that it can be said again later, byte for byte."""
    problem: Callable[[Problem], Response]
    unsupported_option: WordUnsupported = option_problem
    """How the surface words that no provider offers the request."""


def replay(reply: StoredResponse, shape: SurfaceResponses) -> Response:
    """The same bytes under the same media type."""
    error_media = shape.problem(Problem("internal_error", "")).media_type
    media = error_media if reply.status >= 400 else "application/json"
    return Response(reply.body, reply.status, {REPLAYED_HEADER: "true"}, media)
