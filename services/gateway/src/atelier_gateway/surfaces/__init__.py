"""One module a surface, each only an adapter: authenticate, parse, map, answer."""

from atelier_gateway.middleware.request_guard import RenderProblem
from atelier_gateway.surfaces import form, images, native, onmodel, stories, trpc, webhooks
from atelier_gateway.surfaces import openai as openai_shape
from atelier_gateway.surfaces.admin import access as admin_access
from atelier_gateway.surfaces.admin import accounts as admin
from atelier_gateway.surfaces.admin import credits as admin_credits
from atelier_gateway.surfaces.admin import operators as admin_operators
from atelier_gateway.surfaces.admin import stores as admin_stores
from atelier_gateway.surfaces.b2b import routes as b2b
from atelier_gateway.web.problems import problem_json

PUBLIC = (b2b, native, trpc, form, images, openai_shape, onmodel, stories, webhooks)
"""The surfaces that clients reach: each has a ``router(parts)``."""

OPERATIONS = (admin_stores, admin, admin_credits, admin_operators)
"""The surfaces that operators reach, on a listener of their own."""

ROUTED = (*PUBLIC, *OPERATIONS)
"""All of them."""

SHAPES: tuple[tuple[str, str, RenderProblem], ...] = (
    (f"{b2b.PREFIX}/", "b2b", b2b.problem),
    (f"{admin_access.PREFIX}/", "admin", problem_json),
    (form.PREFIX, form.SURFACE, form.problem),
    *((prefix, stories.SURFACE, stories.problem) for prefix in stories.PREFIXES),
    (f"{trpc.PREFIX}/", trpc.SURFACE, trpc.problem),
    (images.PREFIX, images.SURFACE, images.problem),
    (f"{openai_shape.PREFIX}/", openai_shape.SURFACE, openai_shape.problem),
    (openai_shape.MODELS_PREFIX, openai_shape.SURFACE, openai_shape.problem),
    ("/v1/generations", "native", problem_json),
    *((prefix, onmodel.SURFACE, onmodel.problem) for prefix in onmodel.PREFIXES),
    ("/v1/", "native", problem_json),
)
"""Path prefix, name (for metrics), and how errors are worded there; the first that fits."""

LARGER_BODIES = dict.fromkeys(
    (*openai_shape.PICTURE_PATHS, *native.PICTURE_PATHS, onmodel.CREATE_PATH), 25 * 1024 * 1024
)
"""Bytes a body may have where it carries pictures."""


def shape_of(path: str) -> RenderProblem:
    """How the surface at this path words an error, also one that no route has answered."""
    return next((shape for prefix, _, shape in SHAPES if path.startswith(prefix)), problem_json)


def surface_of(path: str) -> str:
    """The surface's name; a bounded set, whatever paths are asked for."""
    return next((name for prefix, name, _ in SHAPES if path.startswith(prefix)), "other")
