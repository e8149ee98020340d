"""All routes of the surface."""

from fastapi import APIRouter

from atelier_gateway.container import Container
from atelier_gateway.surfaces.admin import (
    account_records,
    accounts,
    caps,
    corrections,
    costs,
    credits,
    dead_letters,
    disputes,
    failures,
    generations,
    installation,
    log,
    operators,
    providers,
    readiness,
    reconcile,
    stores,
    subscriptions,
    webhooks,
)


def router(container: Container) -> APIRouter:
    """All routes of the surface."""
    routes = APIRouter()
    modules = (
        *(installation, generations, failures, dead_letters, stores, accounts, account_records, webhooks, caps),
        *(corrections, credits, costs, providers, disputes, readiness, reconcile, log, operators, subscriptions),
    )
    for module in modules:
        routes.include_router(module.router(container))
    return routes
