"""Seed 001: stories, and narrations of them, for users. Bodies are bare; an error is ``{"error", "details"?}``."""

from atelier_gateway.surfaces.stories.responses import PREFIXES, SURFACE, render_problem
from atelier_gateway.surfaces.stories.routes import router

__all__ = ["PREFIXES", "SURFACE", "render_problem", "router"]
