"""Routes of OpenAI's files: input of batches is uploaded, their output is read."""

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from atelier_gateway.batches import file_store, store
from atelier_gateway.batches.file_store import BatchFile
from atelier_gateway.container import Container
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.rate_limits.limiter import RateLimitRule
from atelier_gateway.rate_limits.request_limits import RequestLimits, with_rate_limits
from atelier_gateway.surfaces.openai import batch_openapi as openapi
from atelier_gateway.surfaces.openai.batch_output import BatchOutput
from atelier_gateway.surfaces.openai.batch_requests import FILE_ID, no_such, parse_after, parse_id, read_upload
from atelier_gateway.web.json_bodies import json_response
from atelier_gateway.web.pagination import parse_number
from atelier_gateway.web.problems import field_problem

PREFIX = "/v1/files"
LIST_MAX = 10_000
PER_OWNER = RateLimitRule("openai-files", 60, 60)
ORDERS = ("asc", "desc")
MEDIA_TYPE = "application/octet-stream"


def router(container: Container) -> APIRouter:
    """The routes of files."""
    routes = APIRouter(prefix=PREFIX, tags=["Batches (OpenAI's shape)"])
    _add_upload(routes, container)
    _add_reads(routes, container)
    return routes


def _add_upload(routes: APIRouter, container: Container) -> None:
    @routes.post("", responses=openapi.FILE_MADE, openapi_extra=openapi.uploading())
    async def create_file(request: Request) -> Response:
        """Create a file of JSON lines, for a batch."""

        async def create(gate: RequestLimits) -> Response:
            principal = await container.authenticator.authenticate(request.headers)
            await gate.take(PER_OWNER, f"{principal.owner.kind}:{principal.owner.id}")
            upload, filename, content = await read_upload(request)
            kept_s = container.settings.batches_kept_days * 86_400
            life_s = min(kept_s, upload.expires_after_seconds or kept_s)
            file = await container.batch_creator.store_file(principal.owner, upload.purpose, filename, content, life_s)
            return json_response(file_view(file))

        return await with_rate_limits(container.rate_limiter, create)


def _add_reads(routes: APIRouter, container: Container) -> None:
    paged = {"parameters": [openapi.AFTER, openapi.limit(LIST_MAX, LIST_MAX), openapi.ORDER, openapi.PURPOSE]}
    output = BatchOutput(container)

    @routes.get("", responses=openapi.FILES_LISTED, openapi_extra=paged)
    async def list_files(request: Request) -> Response:
        """List your files."""
        principal = await container.authenticator.authenticate(request.headers)
        query = request.query_params
        limit, after = parse_number(query, "limit", default=LIST_MAX, most=LIST_MAX), parse_after(FILE_ID, query)
        if (order := query.get("order", "desc")) not in ORDERS:
            raise field_problem("order", "asc or desc is required")
        if not (purpose := query.get("purpose") or "batch").isprintable():
            raise field_problem("purpose", "a word is required")
        found = await file_store.list_page(
            container.pool,
            principal.owner,
            purpose=purpose if "purpose" in query else None,
            after=after,
            limit=limit + 1,
            newest_first=order == "desc",
        )
        views = [file_view(file) for file in found[:limit]]
        return json_response(page_view(views, has_more=len(found) > limit))

    @routes.get("/{id}", responses=openapi.FILE_SHOWN, openapi_extra=openapi.READING)
    async def get_file(request: Request, id: str) -> Response:
        """Get a file, without its content."""
        return json_response(file_view((await load_file(container, request, id))[1]))

    @routes.get("/{id}/content", responses=openapi.CONTENT, openapi_extra=openapi.READING)
    async def get_file_content(request: Request, id: str) -> Response:
        """Get the content of a file. The URLs in the output of a batch are good for 15 minutes from now."""
        principal, file = await load_file(container, request, id)
        if file.batch_id is None or file.part is None:
            content = await file_store.read(container.pool, principal.owner, file.id)
            if content is None:
                raise no_such("File")
            return Response(content, media_type=MEDIA_TYPE)
        batch = await store.find(container.pool, principal.owner, file.batch_id)
        if batch is None:
            raise no_such("File")
        return StreamingResponse(output.read(batch, file.part), media_type=MEDIA_TYPE)

    @routes.delete("/{id}", responses=openapi.FILE_DELETED, openapi_extra=openapi.READING)
    async def delete_file(request: Request, id: str) -> Response:
        """Delete a file. A batch that was made of it goes on."""
        principal, file = await load_file(container, request, id)
        await file_store.delete(container.pool, principal.owner, file.id)
        return json_response({"id": file_id(file), "object": "file", "deleted": True})


async def load_file(container: Container, request: Request, text: str) -> tuple[Principal, BatchFile]:
    """The file of a path, if it is the caller's. Raises Problem 404, equally for another owner's."""
    principal = await container.authenticator.authenticate(request.headers)
    id_ = parse_id(FILE_ID, text)
    file = await file_store.find(container.pool, principal.owner, id_) if id_ else None
    if file is None:
        raise no_such("File")
    return principal, file


def file_id(file: BatchFile) -> str:
    """Its id in OpenAI's spelling."""
    return f"{FILE_ID}{file.id.hex}"


def file_view(file: BatchFile) -> dict[str, object]:
    """OpenAI's FileObject."""
    return {
        "id": file_id(file),
        "object": "file",
        "bytes": file.size_bytes,
        "created_at": int(file.created_at.timestamp()),
        "expires_at": int(file.expires_at.timestamp()),
        "filename": file.filename,
        "purpose": file.purpose,
        "status": "processed",
        "status_details": None,
    }


def page_view(views: list[dict[str, object]], *, has_more: bool) -> dict[str, object]:
    """A page as OpenAI's clients turn it."""
    ends = (views[0]["id"], views[-1]["id"]) if views else (None, None)
    return {"object": "list", "data": views, "first_id": ends[0], "last_id": ends[1], "has_more": has_more}
