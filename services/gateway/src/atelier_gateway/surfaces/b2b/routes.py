"""Seed 000: the virtual try-on of a store. Every reply is ``{"data", "error"}``; requires the API key of a store."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_contracts import Owner
from atelier_gateway.container import Container
from atelier_gateway.media.uploads import UploadRequest
from atelier_gateway.projection import listing
from atelier_gateway.projection.store import Generation
from atelier_gateway.surfaces import upload_creation
from atelier_gateway.surfaces.b2b import openapi
from atelier_gateway.surfaces.b2b.create import build_draft
from atelier_gateway.surfaces.b2b.requests import TryOnRequest
from atelier_gateway.surfaces.b2b.responses import PREFIX, RESPONSES, SURFACE, envelope, try_on_view, upload_envelope
from atelier_gateway.web.direct_routes import DirectRoute
from atelier_gateway.web.json_bodies import body_schema, id_from_path, json_response
from atelier_gateway.web.pagination import parse_page, split_page
from atelier_gateway.web.problems import not_found

UPLOAD = f"POST {PREFIX}/uploads"
LIST_DEFAULT, LIST_MAX = 20, 100


def router(container: Container) -> APIRouter:
    """The routes of the surface."""
    routes = APIRouter(prefix=PREFIX, tags=["B2B try-on"])
    create, get = (route.answer for route in direct_routes(container))

    @routes.post(
        "/generation/create", status_code=201, responses=openapi.CREATED, openapi_extra=body_schema(TryOnRequest)
    )
    async def create_try_on(request: Request) -> Response:
        """Create a virtual try-on. One credit is held until the picture is delivered."""
        return await create(request)

    @routes.get("/generation", responses=openapi.LISTED, openapi_extra=openapi.PAGING)
    async def list_try_ons(request: Request) -> Response:
        """List the try-on sessions of the store, newest first."""
        principal = await container.authenticator.authenticate_store(request.headers)
        limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        found = await listing.list_newest(
            container.pool, principal.owner, limit=limit + 1, before=before, surface=SURFACE
        )
        page, cursor = split_page(found, limit)
        sessions = [try_on_view(generation, container.objects) for generation in page]
        return json_response(envelope({"sessions": sessions, "next_cursor": cursor}))

    @routes.get("/generation/{id}", responses=openapi.READ)
    async def get_try_on(request: Request, id: str) -> Response:
        """Get a try-on session, with its picture once there is one."""
        return await get(request, id)

    @routes.post("/uploads", status_code=201, responses=openapi.OFFERED, openapi_extra=body_schema(UploadRequest))
    async def create_try_on_upload(request: Request) -> Response:
        """Create an upload for a photograph. Its key or URL may then stand in `image_urls`."""
        principal = await container.authenticator.authenticate_store(request.headers)
        return await upload_creation.create_upload(
            container, request, principal, UPLOAD, UploadRequest, upload_envelope
        )

    return routes


def direct_routes(container: Container) -> list[DirectRoute]:
    """Create and read: what stores call most."""

    async def create(request: Request) -> Response:
        principal = await container.authenticator.authenticate_store(request.headers)
        draft = await build_draft(container, request, principal.owner)
        return await container.creator.create(principal, draft, RESPONSES)

    async def get(request: Request, id_: str) -> Response:
        principal = await container.authenticator.authenticate_store(request.headers)
        generation = await _load_session(container, id_, principal.owner)
        return json_response(envelope(try_on_view(generation, container.objects)))

    return [
        DirectRoute("POST", f"{PREFIX}/generation/create", create),
        DirectRoute("GET", f"{PREFIX}/generation/{{id}}", get),
    ]


async def _load_session(container: Container, id_: str, owner: Owner) -> Generation:
    generation = await container.reader.find_for_owner(id_from_path(id_, "generation"), owner)
    if generation is None:
        raise not_found("generation")
    return generation
