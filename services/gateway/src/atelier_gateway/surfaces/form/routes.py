"""The routes of seed 002: the form, its generations, and its health."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.generations import form_queue
from atelier_gateway.projection import listing
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.store import Generation
from atelier_gateway.surfaces.form.authentication import authenticate_form_user
from atelier_gateway.surfaces.form.create import FormCreator
from atelier_gateway.surfaces.form.openapi import CREATE, GET, HEALTH, KEYED, LIST, PAGING
from atelier_gateway.surfaces.form.request_log import RequestLogEntry, log_request
from atelier_gateway.surfaces.form.requests import GenerationForm
from atelier_gateway.surfaces.form.responses import PREFIX, STATUSES, generation_view, timestamp, with_security_headers
from atelier_gateway.web.json_bodies import body_schema, id_from_path, json_response
from atelier_gateway.web.pagination import parse_page, split_page
from atelier_gateway.web.problems import not_found
from atelier_messaging import database, is_outage

LIST_DEFAULT, LIST_MAX = 20, 100


def router(container: Container) -> APIRouter:
    """The routes of the surface."""
    routes = APIRouter(prefix=PREFIX, tags=["Generation form"])
    creator = FormCreator(container)

    async def run_logged(request: Request, act: Callable[[RequestLogEntry], Awaitable[Response]]) -> Response:
        with log_request(request, container.client_ip) as entry:
            response = await act(entry)
            entry.status = response.status_code
            return response

    @routes.post("", status_code=201, responses=CREATE, openapi_extra=body_schema(GenerationForm) | KEYED)
    async def create_form_generation(request: Request) -> Response:
        """Submit the form. The answer comes before anything is rendered."""
        return await run_logged(request, lambda entry: creator.submit(request, entry))

    @routes.get("", responses=HEALTH)
    async def get_form_health(request: Request) -> Response:
        """Check whether the form can be used, for monitors."""
        return await run_logged(request, lambda _: _health(container))

    @routes.get("/list", responses=LIST, openapi_extra=PAGING)
    async def list_form_generations(request: Request) -> Response:
        """List the generations of the user, newest first."""
        return await run_logged(request, lambda entry: _newest(container, request, entry))

    @routes.get("/{id}", responses=GET)
    async def get_form_generation(request: Request, id: str) -> Response:
        """Get a generation, with its picture once there is one."""
        return await run_logged(request, lambda entry: _get(container, request, id, entry))

    return routes


async def _health(container: Container) -> Response:
    """200 while forms can be accepted, else 503 naming what is unavailable (002.9)."""
    services = {"database": await _is_database_available(container), "broker": container.bus.is_connected}
    unavailable = [name for name, is_available in services.items() if not is_available]
    if not unavailable:
        return with_security_headers(json_response({"status": "healthy", "timestamp": timestamp()}))
    body = {"status": "unhealthy", "error": f"not answering: {', '.join(unavailable)}", "timestamp": timestamp()}
    return with_security_headers(json_response(body, 503))


async def _is_database_available(container: Container) -> bool:
    try:
        return await database.ping(container.pool)
    except Exception as error:
        if not is_outage(error):
            raise
        return False


async def _get(container: Container, request: Request, id_: str, entry: RequestLogEntry) -> Response:
    principal = await authenticate_form_user(container, request, entry)
    generation = await projection_store.find_for_owner(container.pool, id_from_path(id_, "generation"), principal.owner)
    if generation is None or generation.surface != form_queue.SURFACE:
        raise not_found("generation")
    return with_security_headers(json_response({"success": True, "data": await _view(container, generation)}))


async def _newest(container: Container, request: Request, entry: RequestLogEntry) -> Response:
    principal = await authenticate_form_user(container, request, entry)
    limit, before = parse_page(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
    found = await listing.list_newest(
        container.pool, principal.owner, limit=limit + 1, before=before, surface=form_queue.SURFACE
    )
    page, cursor = split_page(found, limit)
    data = [await _view(container, generation) for generation in page]
    return with_security_headers(json_response({"success": True, "data": data, "nextCursor": cursor}))


async def _view(container: Container, generation: Generation) -> dict[str, Any]:
    """As its user sees it, with its current queue position while it waits."""
    waits = STATUSES[generation.snapshot.state] == "pending"
    place = await form_queue.position(container.pool, generation) if waits else None
    return generation_view(generation, container.objects, place)
