"""Seed 003: pictures from prompts, for workspaces. ``{"success", "data"}`` or ``{"success", "error"}``.

Waits for the pictures, unless the client prefers not to. Several pictures are charged by the picture: what was not made
is returned.
"""

from atelier_gateway.surfaces.images.responses import PREFIX, SURFACE, render_problem
from atelier_gateway.surfaces.images.routes import router

__all__ = ["PREFIX", "SURFACE", "render_problem", "router"]
