"""Seed 003: pictures from prompts, for workspaces. ``{"success", "data"}`` or ``{"success", "error"}``."""

from atelier_gateway.surfaces.images.routes import PREFIX, SURFACE, problem, router

__all__ = ["PREFIX", "SURFACE", "problem", "router"]
