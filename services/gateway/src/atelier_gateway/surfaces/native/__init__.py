"""Our own surface: any kind of work, any credential, RFC 9457 errors."""

from fastapi import APIRouter

from atelier_gateway.parts import Parts
from atelier_gateway.surfaces.native import acts, capabilities, following, generations, money, problem_pages, uploads

PICTURE_PATHS = (f"{generations.PREFIX}/generations", f"{generations.PREFIX}/quotes")
"""Where a body may carry pictures."""


def router(parts: Parts) -> APIRouter:
    """All routes of the surface."""
    routes = APIRouter()
    for part in (generations, capabilities, acts, following, money, problem_pages, uploads):
        routes.include_router(part.router(parts))
    return routes
