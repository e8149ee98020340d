"""Seed 004: product photos on a model, or laid flat. Errors are ``{"success": false, "message", "error_code"}``."""

from atelier_gateway.surfaces.onmodel.create import CREATE_PATH
from atelier_gateway.surfaces.onmodel.responses import SURFACE, problem
from atelier_gateway.surfaces.onmodel.routes import PREFIXES, models_alias, router

__all__ = ["CREATE_PATH", "PREFIXES", "SURFACE", "models_alias", "problem", "router"]
