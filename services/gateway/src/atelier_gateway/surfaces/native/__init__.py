"""Our own surface: any kind of work, any credential, RFC 9457 errors."""

from fastapi import APIRouter

from atelier_gateway.container import Container
from atelier_gateway.surfaces.native import capabilities, generations, problem_pages, uploads
from atelier_gateway.surfaces.native import credits as money
from atelier_gateway.surfaces.native import event_stream as following
from atelier_gateway.surfaces.native import generation_actions as acts

PICTURE_PATHS = (f"{generations.PREFIX}/generations", f"{generations.PREFIX}/quotes")
"""Where a body may carry pictures."""


def router(container: Container) -> APIRouter:
    """All routes of the surface."""
    routes = APIRouter()
    for part in (generations, capabilities, acts, following, money, problem_pages, uploads):
        routes.include_router(part.router(container))
    return routes
