"""One module a surface, each only an adapter: authenticate, parse, map, answer."""

from atelier_gateway.middleware.request_guard import RenderProblem
from atelier_gateway.surfaces import admin, b2b, events, form, images, native, onmodel, openai, stories, trpc, webhooks
from atelier_gateway.web.problems import problem_json

PUBLIC = (b2b, native, trpc, form, images, openai, onmodel, stories, webhooks, events)
"""The surfaces that clients reach: each has a ``router(parts)``."""

OPERATIONS = (admin,)
"""What operators reach, on a listener of its own."""

DIRECT = (b2b, native)
"""Those with ``direct_routes(container)``: operations that clients call most, answered in front of the framework."""

ROUTED = (*PUBLIC, *OPERATIONS)
"""All of them."""

SHAPES: tuple[tuple[str, str, RenderProblem], ...] = (
    (f"{b2b.PREFIX}/", b2b.SURFACE, b2b.render_problem),
    (f"{admin.PREFIX}/", "admin", problem_json),
    (form.PREFIX, form.SURFACE, form.render_problem),
    *((prefix, stories.SURFACE, stories.render_problem) for prefix in stories.PREFIXES),
    (f"{trpc.PREFIX}/", trpc.SURFACE, trpc.render_problem),
    (images.PREFIX, images.SURFACE, images.render_problem),
    (f"{openai.PREFIX}/", openai.SURFACE, openai.render_problem),
    (openai.MODELS_PREFIX, openai.SURFACE, openai.render_problem),
    ("/v1/generations", "native", problem_json),
    *((prefix, onmodel.SURFACE, onmodel.render_problem) for prefix in onmodel.PREFIXES),
    ("/v1/", "native", problem_json),
)
"""Path prefix, name (for metrics), and how errors are rendered there; the first match counts."""

LARGER_BODIES = dict.fromkeys((*openai.PICTURE_PATHS, *native.PICTURE_PATHS, onmodel.CREATE_PATH), 25 * 1024 * 1024)
"""Bytes a body may have where it carries pictures."""


def shape_of(path: str) -> RenderProblem:
    """Renders errors as the surface at this path does, also those that no route has answered."""
    return next((shape for prefix, _, shape in SHAPES if path.startswith(prefix)), problem_json)


def surface_of(path: str) -> str:
    """The surface's name, from a bounded set, whatever paths are requested."""
    return next((name for prefix, name, _ in SHAPES if path.startswith(prefix)), "other")
