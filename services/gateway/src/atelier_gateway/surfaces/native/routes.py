"""All routes of the surface."""

from fastapi import APIRouter

from atelier_gateway.container import Container
from atelier_gateway.surfaces.native import (
    batches,
    capabilities,
    caps,
    client_tokens,
    credits,
    disputes,
    event_stream,
    generation_actions,
    generations,
    outputs,
    problem_pages,
    proofs,
    statements,
    uploads,
    usage,
)
from atelier_gateway.surfaces.native.batch_responses import PREFIX as BATCHES
from atelier_gateway.surfaces.native.generations import direct_routes

__all__ = ["PICTURE_PATHS", "direct_routes", "router"]
PICTURE_PATHS = (
    f"{generations.PREFIX}/generations",
    f"{generations.PREFIX}/quotes",
    BATCHES,
    f"{BATCHES}/quotes",
)
"""The paths whose bodies may carry images, or many rows."""


def router(container: Container) -> APIRouter:
    """All routes of the surface."""
    routes = APIRouter()
    for module in (
        generations,
        capabilities,
        generation_actions,
        disputes,
        outputs,
        event_stream,
        client_tokens,
        credits,
        caps,
        problem_pages,
        proofs,
        statements,
        uploads,
        usage,
        batches,
    ):
        routes.include_router(module.router(container))
    return routes
