"""Tools for agents by the Model Context Protocol: each is a call of the native API with the caller's own credential.

The protocol's SDK is imported at the first request to ``/mcp``: who has no agents pays nothing for it.
"""

from atelier_gateway.surfaces.mcp.http_errors import render_problem
from atelier_gateway.surfaces.mcp.routes import PATH, router

SURFACE = "mcp"

__all__ = ["PATH", "SURFACE", "render_problem", "router"]
