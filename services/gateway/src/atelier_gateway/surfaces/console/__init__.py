"""``/console``, for operators in a browser: pages over the admin API, whose routes do all the work."""

from atelier_gateway.surfaces.console.responses import PREFIX, render_problem
from atelier_gateway.surfaces.console.routes import router

SURFACE = "console"

__all__ = ["PREFIX", "SURFACE", "render_problem", "router"]
