"""Routes for uploads of images and texts: create, list, read, delete."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.media import upload_store
from atelier_gateway.media.uploads import SizedUploadRequest, view
from atelier_gateway.surfaces import upload_creation
from atelier_gateway.surfaces.native import openapi
from atelier_gateway.web.json_bodies import body_schema, id_from_path, json_response
from atelier_gateway.web.openapi_responses import CURSOR, KEY, LIMIT, WORKSPACE, answers
from atelier_gateway.web.pagination import parse_page, split_page
from atelier_gateway.web.problems import not_found

PREFIX = "/v1/uploads"
LIST_MAX = 100
LIST_DEFAULT = 20
OFFERED = answers(
    {201: ("PUT the bytes to `upload_url`.", openapi.UploadTarget)},
    *("invalid_request", "invalid_idempotency_key", "request_in_progress", "request_too_large"),
    *("idempotency_key_reused", "uploads_full"),
)
LISTED = answers({200: ("Newest first.", openapi.UploadPage)}, "invalid_request")
SHOWN = answers({200: ("The upload.", openapi.Upload)}, "not_found")
DELETED = answers({204: ("It is deleted.", None)}, "not_found")


def router(container: Container) -> APIRouter:
    """The routes of uploads."""
    routes = APIRouter(prefix=PREFIX, tags=["Generations"])
    takes_upload = body_schema(SizedUploadRequest) | {"parameters": [KEY, WORKSPACE]}
    paged = {"parameters": [LIMIT, CURSOR, WORKSPACE]}
    one = {"parameters": [WORKSPACE]}

    @routes.post("", status_code=201, responses=OFFERED, openapi_extra=takes_upload)
    async def create_upload(request: Request) -> Response:
        """Create an upload for a picture or a text. Its key then names it as an input."""
        principal = await container.authenticator.authenticate(request.headers)
        return await upload_creation.create_upload(
            container, request, principal, f"POST {PREFIX}", SizedUploadRequest, lambda offered: offered
        )

    @routes.get("", responses=LISTED, openapi_extra=paged)
    async def list_uploads(request: Request) -> Response:
        """List your uploads, newest first."""
        principal = await container.authenticator.authenticate(request.headers)
        limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        found = await upload_store.list_page(container.pool, principal.owner, before=before, limit=limit + 1)
        page, cursor = split_page(found, limit)
        rules = container.settings.upload_rules
        return json_response({"data": [view(upload, rules) for upload in page], "next_cursor": cursor})

    @routes.get("/{id}", responses=SHOWN, openapi_extra=one)
    async def get_upload(request: Request, id: str) -> Response:
        """Get an upload."""
        principal = await container.authenticator.authenticate(request.headers)
        found = await upload_store.find(container.pool, principal.owner, id_from_path(id, "upload"))
        if found is None:
            raise not_found("upload")
        return json_response(view(found, container.settings.upload_rules))

    @routes.delete("/{id}", status_code=204, responses=DELETED, openapi_extra=one)
    async def delete_upload(request: Request, id: str) -> Response:
        """Delete an upload. A generation that was made from it keeps its copy until the generation is deleted."""
        principal = await container.authenticator.authenticate(request.headers)
        await container.uploads.delete(principal.owner, id_from_path(id, "upload"))
        return Response(status_code=204)

    return routes
