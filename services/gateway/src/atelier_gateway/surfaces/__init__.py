"""One module a surface, each only an adapter: authenticate, parse, map, answer."""

from starlette.responses import Response

from atelier_gateway.middleware.request_guard import RenderProblem
from atelier_gateway.surfaces import (
    admin,
    b2b,
    console,
    events,
    form,
    images,
    mcp,
    native,
    onmodel,
    openai,
    play,
    stories,
    trpc,
    webhooks,
)
from atelier_gateway.web.problems import Problem, problem_json
from atelier_gateway.web.request_facts import note_problem

PUBLIC = (b2b, native, trpc, form, images, openai, onmodel, stories, webhooks, events, play, mcp)
"""The surfaces that clients reach: each has a ``router(parts)``."""

OPERATIONS = (admin, console)
"""What operators reach, on a listener of its own."""

DIRECT = (b2b, native)
"""Those with ``direct_routes(container)``: operations that clients call most, answered in front of the framework."""

ROUTED = (*PUBLIC, *OPERATIONS)
"""All of them."""

SHAPES: tuple[tuple[str, str, RenderProblem], ...] = (
    (f"{b2b.PREFIX}/", b2b.SURFACE, b2b.render_problem),
    (f"{admin.PREFIX}/", "admin", problem_json),
    (console.PREFIX, console.SURFACE, console.render_problem),
    (form.PREFIX, form.SURFACE, form.render_problem),
    *((prefix, stories.SURFACE, stories.render_problem) for prefix in stories.PREFIXES),
    (f"{trpc.PREFIX}/", trpc.SURFACE, trpc.render_problem),
    (images.PREFIX, images.SURFACE, images.render_problem),
    (f"{openai.PREFIX}/", openai.SURFACE, openai.render_problem),
    *((prefix, openai.SURFACE, openai.render_problem) for prefix in openai.OTHER_PREFIXES),
    ("/v1/generations", "native", problem_json),
    *((prefix, onmodel.SURFACE, onmodel.render_problem) for prefix in onmodel.PREFIXES),
    ("/v1/", "native", problem_json),
    (mcp.PATH, mcp.SURFACE, mcp.render_problem),
)
"""Path prefix, name (for metrics), and how errors are rendered there; the first match counts."""

SURFACES = tuple(dict.fromkeys(name for _, name, _ in SHAPES))
"""Each surface's name, once."""

LARGER_BODIES = dict.fromkeys(
    (*openai.PICTURE_PATHS, *native.PICTURE_PATHS, onmodel.CREATE_PATH, mcp.PATH), 25 * 1024 * 1024
)
"""Bytes a body may have where it carries pictures."""


def shape_of(path: str) -> RenderProblem:
    """Renders errors as the surface at this path does, also those that no route has answered."""
    return next((shape for prefix, _, shape in SHAPES if path.startswith(prefix)), problem_json)


def noted_shape_of(path: str) -> RenderProblem:
    """As ``shape_of``; what is rendered is noted as what the request came to."""

    def render(problem: Problem) -> Response:
        note_problem(problem)
        return shape_of(path)(problem)

    return render


def surface_of(path: str) -> str:
    """The surface's name, from a bounded set, whatever paths are requested."""
    return next((name for prefix, name, _ in SHAPES if path.startswith(prefix)), "other")
