"""Stores: virtual try-ons over REST, by API key. Every reply is ``{"data", "error"}``."""

from atelier_gateway.surfaces.b2b.responses import PREFIX, SURFACE, render_problem
from atelier_gateway.surfaces.b2b.routes import direct_routes, router

__all__ = ["PREFIX", "SURFACE", "direct_routes", "render_problem", "router"]
