"""Webhooks: where owners want to be told what became of their generations, and what they were told. RFC 9457 errors."""

from fastapi import APIRouter

from atelier_gateway.container import Container
from atelier_gateway.surfaces.webhooks import deliveries as told
from atelier_gateway.surfaces.webhooks import endpoints


def router(container: Container) -> APIRouter:
    """All routes of the surface; what has a name of its own before what could be an id."""
    routes = APIRouter()
    for part in (told, endpoints):
        routes.include_router(part.router(container))
    return routes
