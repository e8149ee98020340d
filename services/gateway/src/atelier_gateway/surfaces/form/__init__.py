"""Seed 002: the generation form, for users. ``{"success", "data"}`` or ``{"success", "error", "code", …}``."""

from atelier_gateway.generations.form_queue import SURFACE
from atelier_gateway.surfaces.form.responses import PREFIX, render_problem
from atelier_gateway.surfaces.form.routes import router

__all__ = ["PREFIX", "SURFACE", "render_problem", "router"]
