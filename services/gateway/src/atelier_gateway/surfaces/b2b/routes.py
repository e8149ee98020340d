"""Seed 000: a store's virtual try-on. Every reply is ``{"data", "error"}``; only a store's API key gets in."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import ConfigDict, Field
from starlette.responses import Response

from atelier_contracts import Owner
from atelier_contracts.value_objects import INPUTS_MAX
from atelier_gateway.container import Container
from atelier_gateway.generations import try_on
from atelier_gateway.generations.creation import Draft, SurfaceResponses
from atelier_gateway.idempotency.keys import IDEMPOTENCY_KEY_HEADER, fingerprint, validated_key
from atelier_gateway.media.uploads import UploadRequest
from atelier_gateway.projection import listing
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.store import Generation, NewGeneration
from atelier_gateway.surfaces import uploads
from atelier_gateway.surfaces.b2b import openapi as docs
from atelier_gateway.web.json_bodies import Prompt, RequestBody, body_schema, id_from_path, json_response, parse_body
from atelier_gateway.web.pagination import page_and_cursor, page_of
from atelier_gateway.web.problems import Problem, not_found
from atelier_gateway.web.simulate_header import SIMULATE_HEADER as SIMULATE
from atelier_gateway.web.simulate_header import parse_simulation
from atelier_storage.objects import ObjectStore

PREFIX = "/api/v1"
CREATE = f"POST {PREFIX}/generation/create"
UPLOAD = f"POST {PREFIX}/uploads"
LIST_DEFAULT, LIST_MAX = 20, 100
EXAMPLE: dict[str, Any] = {"image_urls": ["https://cdn.example.com/person.jpg", "https://cdn.example.com/shirt.jpg"]}


class TryOnRequest(RequestBody):
    """``image_urls``: the person first, then the garments; signed URLs, or keys and URLs of own uploads."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE]})

    image_urls: list[Annotated[str, Field(min_length=1, max_length=4_096)]] = Field(min_length=1, max_length=INPUTS_MAX)
    prompt: Prompt | None = None


def router(container: Container) -> APIRouter:
    """The routes of the surface."""
    routes = APIRouter(prefix=PREFIX, tags=["B2B try-on"])

    @routes.post("/generation/create", status_code=201, responses=docs.CREATED, openapi_extra=body_schema(TryOnRequest))
    async def create_try_on(request: Request) -> Response:
        """Create a virtual try-on. One credit is held until the picture is delivered."""
        principal = await container.authenticator.authenticate_store(request.headers)
        draft = await _draft(container, request, principal.owner)
        return await container.creator.create(principal, draft, SHAPE)

    @routes.get("/generation", responses=docs.LISTED, openapi_extra=docs.PAGING)
    async def list_try_ons(request: Request) -> Response:
        """List the try-on sessions of the store, newest first."""
        principal = await container.authenticator.authenticate_store(request.headers)
        limit, before = page_of(request.query_params, default=LIST_DEFAULT, most=LIST_MAX)
        found = await listing.list_newest(
            container.pool, principal.owner, limit=limit + 1, before=before, surface="b2b"
        )
        page, cursor = page_and_cursor(found, limit)
        sessions = [_view(generation, container.objects) for generation in page]
        return json_response(_enveloped({"sessions": sessions, "next_cursor": cursor}))

    @routes.get("/generation/{id}", responses=docs.READ)
    async def get_try_on(request: Request, id: str) -> Response:
        """Get a try-on session, with its picture once there is one."""
        principal = await container.authenticator.authenticate_store(request.headers)
        generation = await _of_store(container, id, principal.owner)
        return json_response(_enveloped(_view(generation, container.objects)))

    @routes.post("/uploads", status_code=201, responses=docs.OFFERED, openapi_extra=body_schema(UploadRequest))
    async def create_try_on_upload(request: Request) -> Response:
        """Create an upload for a photograph. Its key or URL may then stand in `image_urls`."""
        principal = await container.authenticator.authenticate_store(request.headers)
        return await uploads.offer(container, request, principal, UPLOAD, UploadRequest, _offered)

    return routes


async def _draft(container: Container, request: Request, owner: Owner) -> Draft:
    """The request, understood. Raises Problem."""
    key = validated_key(request.headers.get(IDEMPOTENCY_KEY_HEADER))
    simulate = request.headers.get(SIMULATE)
    simulated = parse_simulation(simulate, allowed=container.is_simulator_on)
    body = await parse_body(request, TryOnRequest)
    return await try_on.draft(
        container.input_resolver,
        owner,
        body.image_urls,
        field="image_urls",
        prompt=body.prompt,
        simulate=simulated,
        request=body.model_dump(mode="json", exclude_none=True),
        deadline_s=container.settings.generation_deadline_s,
        key=key,
        fingerprint=fingerprint(body.model_dump_json(), simulate or ""),
    )


def problem(refusal: Problem) -> Response:
    """``{"data": null, "error": {"code", "message", "details"?}}``."""
    error: dict[str, Any] = {"code": refusal.code.upper(), "message": refusal.detail}
    if refusal.details:
        error["details"] = refusal.details
    response = json_response({"data": None, "error": error}, refusal.status)
    response.headers.update(refusal.headers)
    return response


def _accepted(generation: NewGeneration) -> Response:
    return json_response(_enveloped({"session_id": str(generation.id), "status": "queued"}), 201)


def _enveloped(data: object) -> dict[str, object]:
    return {"data": data, "error": None}


def _offered(upload: dict[str, object]) -> object:
    """Seed 000.8's fields, and no others."""
    return _enveloped({name: value for name, value in upload.items() if name != "id"})


async def _of_store(container: Container, id_: str, owner: Owner) -> Generation:
    generation = await projection_store.find_for_owner(container.pool, id_from_path(id_, "generation"), owner)
    if generation is None:
        raise not_found("generation")
    return generation


def _view(generation: Generation, objects: ObjectStore) -> dict[str, object]:
    """What a store sees of a generation."""
    return {
        "session_id": str(generation.id),
        "status": try_on.STATUSES[generation.snapshot.state],
        "generated_image_url": try_on.picture_url(generation, objects),
        "error_message": try_on.error_message(generation),
        "created_at": generation.created_at.isoformat(),
    }


SHAPE = SurfaceResponses("b2b", CREATE, _accepted, problem)
