"""All routes of the surface."""

from fastapi import APIRouter

from atelier_gateway.container import Container
from atelier_gateway.surfaces.native import (
    capabilities,
    credits,
    event_stream,
    generation_actions,
    generations,
    problem_pages,
    proofs,
    uploads,
)
from atelier_gateway.surfaces.native.generations import direct_routes

__all__ = ["PICTURE_PATHS", "direct_routes", "router"]
PICTURE_PATHS = (f"{generations.PREFIX}/generations", f"{generations.PREFIX}/quotes")
"""The paths whose bodies may carry images."""


def router(container: Container) -> APIRouter:
    """All routes of the surface."""
    routes = APIRouter()
    for module in (
        generations,
        capabilities,
        generation_actions,
        event_stream,
        credits,
        problem_pages,
        proofs,
        uploads,
    ):
        routes.include_router(module.router(container))
    return routes
