"""All routes of the surface."""

from fastapi import APIRouter

from atelier_gateway.container import Container
from atelier_gateway.surfaces.admin import (
    accounts,
    corrections,
    credits,
    log,
    operators,
    reconcile,
    stores,
    subscriptions,
)


def router(container: Container) -> APIRouter:
    """All routes of the surface."""
    routes = APIRouter()
    for module in (stores, accounts, corrections, credits, reconcile, log, operators, subscriptions):
        routes.include_router(module.router(container))
    return routes
