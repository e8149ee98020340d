"""Seed 004: product photos on a model, or laid flat. Errors are ``{"success": false, "message", "error_code"}``."""

from atelier_gateway.surfaces.onmodel.responses import CREATE_PATH, SURFACE, render_problem
from atelier_gateway.surfaces.onmodel.routes import PREFIXES, models_alias, router

__all__ = ["CREATE_PATH", "PREFIXES", "SURFACE", "models_alias", "render_problem", "router"]
