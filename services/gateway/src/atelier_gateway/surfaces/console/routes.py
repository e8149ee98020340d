"""All pages of the console, and its files."""

from collections.abc import Mapping

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from atelier_gateway.container import Container
from atelier_gateway.surfaces.console import (
    accounts,
    acts,
    audit,
    books,
    failures,
    generations,
    login,
    operations,
    queues,
)
from atelier_gateway.surfaces.console.act_table import SAID
from atelier_gateway.surfaces.console.responses import PREFIX, assets
from atelier_gateway.surfaces.console.visits import Console, Page, guarded

READ = ["GET", "HEAD"]
PAGES: Mapping[str, Page] = {
    "": generations.show_overview,
    "/search": generations.show_search,
    "/generations": generations.show_generations,
    "/generations/{id}": generations.show_generation,
    "/failures": failures.show_failures,
    "/dead-letters": queues.show_queues,
    "/accounts": accounts.show_accounts,
    "/accounts/{kind}/{id}": accounts.show_account,
    "/providers": operations.show_providers,
    "/webhooks": operations.show_webhooks,
    "/books": books.show_books,
    "/events": books.show_events,
    "/acts": audit.show_acts,
    "/upgrade": operations.show_upgrade,
}
"""What is shown at each address below the prefix."""


def router(container: Container) -> APIRouter:
    """The console."""
    console = Console(container, SAID)
    routes = APIRouter(include_in_schema=False)
    routes.include_router(login.router(console))
    routes.include_router(acts.router(console))
    for path, page in PAGES.items():
        routes.add_api_route(PREFIX + path, guarded(console, page), methods=READ)

    @routes.api_route(PREFIX + "/", methods=READ)
    async def home() -> Response:
        return RedirectResponse(PREFIX, 308)

    @routes.api_route(PREFIX + "/assets/{version}/{name}", methods=READ)
    async def file(version: str, name: str) -> Response:
        return assets.respond(version, name)

    return routes
