"""All routes of the surface."""

from fastapi import APIRouter

from atelier_gateway.container import Container
from atelier_gateway.surfaces.webhooks import deliveries, endpoints


def router(container: Container) -> APIRouter:
    """All routes of the surface; fixed paths come before those with an id in the same place."""
    routes = APIRouter()
    for module in (deliveries, endpoints):
        routes.include_router(module.router(container))
    return routes
