"""Seed 000 for shoppers: ``tryOn.create | get | list`` over tRPC's HTTP protocol: single, batched and streamed calls.

Source: the tRPC HTTP RPC specification (v10 and v11, no transformer). The stock client works unchanged.
"""

from atelier_gateway.surfaces.trpc.protocol import PREFIX, SURFACE, render_problem
from atelier_gateway.surfaces.trpc.routes import router

__all__ = ["PREFIX", "SURFACE", "render_problem", "router"]
