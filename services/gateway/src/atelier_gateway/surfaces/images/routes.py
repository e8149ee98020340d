"""The routes of seed 003."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.projection import listing
from atelier_gateway.projection import store as projection_store
from atelier_gateway.rate_limits.request_limits import with_rate_limits
from atelier_gateway.surfaces.images import openapi
from atelier_gateway.surfaces.images.authentication import authorize_reader
from atelier_gateway.surfaces.images.batches import create_batch
from atelier_gateway.surfaces.images.create import available_credits, create
from atelier_gateway.surfaces.images.responses import PREFIX, SURFACE, envelope, generation_view
from atelier_gateway.web.json_bodies import id_from_path, json_response
from atelier_gateway.web.pagination import parse_page, split_page
from atelier_gateway.web.problems import not_found


def router(container: Container) -> APIRouter:
    """The routes of the surface."""
    routes = APIRouter(prefix=PREFIX, tags=["Images (workspaces)"])

    @routes.post("", responses=openapi.CREATED, openapi_extra=openapi.CREATING)
    async def create_image_generation(request: Request) -> Response:
        """Create images from a prompt, by editing, or by variation.

        The answer waits for them unless `Prefer: respond-async` is sent.
        """
        return await with_rate_limits(container.rate_limiter, lambda gate: create(container, request, gate))

    @routes.post("/batches", status_code=202, responses=openapi.BATCHED, openapi_extra=openapi.BATCHING)
    async def create_image_batch(request: Request) -> Response:
        """Create a batch of up to ten image generations. The answer never waits for them."""
        return await with_rate_limits(container.rate_limiter, lambda gate: create_batch(container, request, gate))

    @routes.get("/{id}", responses=openapi.READ, openapi_extra=openapi.READING)
    async def get_image_generation(request: Request, id: str) -> Response:
        """Get an image generation with its pictures and its record."""
        principal = await authorize_reader(container, request)
        generation = await projection_store.find_for_owner(
            container.pool, id_from_path(id, "generation"), principal.owner
        )
        if generation is None or generation.surface != SURFACE:
            raise not_found("generation")
        return json_response(
            envelope(generation_view(generation, container.objects, await available_credits(container, principal)))
        )

    @routes.get("", responses=openapi.LISTED, openapi_extra=openapi.LISTING)
    async def list_image_generations(request: Request) -> Response:
        """List the image generations of the workspace, newest first."""
        principal = await authorize_reader(container, request)
        limit, before = parse_page(request.query_params, default=20, most=100)
        found = await listing.list_newest(
            container.pool, principal.owner, limit=limit + 1, before=before, surface=SURFACE
        )
        page, cursor = split_page(found, limit)
        credits = await available_credits(container, principal)
        items = [generation_view(generation, container.objects, credits) for generation in page]
        return json_response(envelope({"items": items, "nextCursor": cursor}))

    return routes
