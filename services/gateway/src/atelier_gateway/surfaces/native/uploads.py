"""Routes for uploads of images and texts: create, list, read, delete."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media import upload_store
from atelier_gateway.media.uploads import SizedUploadRequest, view
from atelier_gateway.rate_limits.request_limits import RequestLimits, with_rate_limits
from atelier_gateway.surfaces import upload_creation
from atelier_gateway.surfaces.native import openapi
from atelier_gateway.surfaces.native.request_rules import request_rules
from atelier_gateway.web.json_bodies import body_schema, id_from_path, json_response
from atelier_gateway.web.openapi_responses import CURSOR, KEY, LIMIT, OF_CLIENT_TOKENS, WORKSPACE, answers
from atelier_gateway.web.pagination import parse_page, split_page
from atelier_gateway.web.problems import not_found

PREFIX = "/v1/uploads"
LIST_MAX = 100
LIST_DEFAULT = 20
OFFERED = answers(
    {201: ("PUT the bytes to `upload_url`.", openapi.UploadTarget)},
    *("invalid_request", "invalid_idempotency_key", "request_in_progress", "request_too_large"),
    *("idempotency_key_reused", "uploads_full", *OF_CLIENT_TOKENS),
)
LISTED = answers({200: ("Newest first.", openapi.UploadPage)}, "invalid_request")
SHOWN = answers({200: ("The upload.", openapi.Upload)}, "not_found")
DELETED = answers({204: ("It is deleted.", None)}, "not_found")


def router(container: Container) -> APIRouter:
    """The routes of uploads."""
    routes = APIRouter(prefix=PREFIX, tags=["Generations"])
    paged = {"parameters": [LIMIT, CURSOR, WORKSPACE]}
    one = {"parameters": [WORKSPACE]}

    _add_creation(routes, container)

    @routes.get("", responses=LISTED, openapi_extra=paged)
    async def list_uploads(request: Request) -> Response:
        """List your uploads, newest first."""
        principal = await container.authenticator.authenticate(request.headers)
        limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        found = await upload_store.list_page(container.pool, principal.owner, before=before, limit=limit + 1)
        page, cursor = split_page(found, limit)
        rules = container.settings.upload_rules
        return json_response(
            {"data": [view(upload, rules, is_test=principal.owner.is_test) for upload in page], "next_cursor": cursor}
        )

    @routes.get("/{id}", responses=SHOWN, openapi_extra=one)
    async def get_upload(request: Request, id: str) -> Response:
        """Get an upload."""
        principal = await container.authenticator.authenticate(request.headers)
        found = await upload_store.find(container.pool, principal.owner, id_from_path(id, "upload"))
        if found is None:
            raise not_found("upload")
        return json_response(view(found, container.settings.upload_rules, is_test=principal.owner.is_test))

    @routes.delete("/{id}", status_code=204, responses=DELETED, openapi_extra=one)
    async def delete_upload(request: Request, id: str) -> Response:
        """Delete an upload. A generation that was made from it keeps its copy until the generation is deleted."""
        principal = await container.authenticator.authenticate(request.headers)
        await container.uploads.delete(principal.owner, id_from_path(id, "upload"))
        return Response(status_code=204)

    return routes


def _add_creation(routes: APIRouter, container: Container) -> None:
    takes_upload = body_schema(SizedUploadRequest) | {"parameters": [KEY, WORKSPACE]}
    rules = request_rules(container.settings)

    @routes.post("", status_code=201, responses=OFFERED, openapi_extra=takes_upload)
    async def create_upload(request: Request) -> Response:
        """Create an upload for a picture or a text. Its key then names it as an input."""
        principal = await container.authenticator.authenticate_client(request, "create")
        if principal.client is None:
            return await create(request, principal)
        return await with_rate_limits(container.rate_limiter, lambda gate: create_limited(request, principal, gate))

    async def create_limited(request: Request, principal: Principal, gate: RequestLimits) -> Response:
        await rules.take(gate, principal)
        return await create(request, principal)

    async def create(request: Request, principal: Principal) -> Response:
        return await upload_creation.create_upload(
            container, request, principal, f"POST {PREFIX}", SizedUploadRequest, lambda offered: offered
        )
