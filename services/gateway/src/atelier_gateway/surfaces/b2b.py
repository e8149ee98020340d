"""Seed 000: a store's virtual try-on. Every reply is ``{"data", "error"}``; only a store's API key gets in."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import Response

from atelier_contracts import Owner, RenderSpec, Work
from atelier_contracts.vocabulary import INPUTS_MAX, PROMPT_CHARS_MAX, Role
from atelier_gateway.bodies import Body, Prose, answer, id_from_path, read, takes
from atelier_gateway.creating import Draft, Shape
from atelier_gateway.idempotency import HEADER, checked, fingerprint
from atelier_gateway.inputs import Given
from atelier_gateway.parts import Parts
from atelier_gateway.problems import Problem, not_found
from atelier_gateway.projection import State
from atelier_gateway.simulation import HEADER as SIMULATE
from atelier_gateway.simulation import simulation
from atelier_gateway.store import generations
from atelier_gateway.store.generations import Generation, NewGeneration
from atelier_gateway.surfaces import uploads
from atelier_gateway.uploading import Upload
from atelier_storage.objects import PRESIGN_S_MAX, ObjectStore

PREFIX = "/api/v1"
CREATE = f"POST {PREFIX}/generation/create"
UPLOAD = f"POST {PREFIX}/uploads"
DEFAULT_PROMPT = (
    "Dress the person of the first picture in the garments of the other pictures. "
    "Keep the face, the pose, the body and the background as they are."
)
STATUSES: dict[State, str] = {
    "accepted": "queued",
    "queued": "queued",
    "rendering": "processing",
    "succeeded": "completed",
    "failed": "failed",
    "cancelled": "failed",
    "expired": "failed",
    "rejected": "failed",
}


class CreateTryOn(Body):
    """``image_urls``: the person first, then the garments; signed URLs, or keys and URLs of own uploads."""

    image_urls: list[Annotated[str, Field(min_length=1, max_length=4_096)]] = Field(min_length=1, max_length=INPUTS_MAX)
    prompt: Annotated[Prose, Field(min_length=1, max_length=PROMPT_CHARS_MAX)] | None = None


def router(parts: Parts) -> APIRouter:
    """The routes of the surface."""
    routes = APIRouter(prefix=PREFIX, tags=["B2B try-on"])

    @routes.post("/generation/create", status_code=201, openapi_extra=takes(CreateTryOn))
    async def create(request: Request) -> Response:
        principal = await parts.identity.store(request.headers)
        draft = await _draft(parts, request, principal.owner)
        return await parts.creating.create(principal, draft, SHAPE)

    @routes.get("/generation/{id}")
    async def get(request: Request, id: str) -> Response:
        principal = await parts.identity.store(request.headers)
        generation = await _of_store(parts, id, principal.owner)
        return answer(_enveloped(_view(generation, parts.objects)))

    @routes.post("/uploads", status_code=201, openapi_extra=takes(Upload))
    async def upload(request: Request) -> Response:
        principal = await parts.identity.store(request.headers)
        return await uploads.offer(parts, request, principal, UPLOAD, _enveloped)

    return routes


async def _draft(parts: Parts, request: Request, owner: Owner) -> Draft:
    """The request, understood. Raises Problem."""
    key = checked(request.headers.get(HEADER))
    simulate = request.headers.get(SIMULATE)
    simulated = simulation(simulate, allowed=parts.simulating)
    body = await read(request, CreateTryOn)
    return Draft(
        work=Work(kind="try_on"),
        spec=RenderSpec(
            kind="try_on",
            prompt=body.prompt or DEFAULT_PROMPT,
            inputs=await parts.inputs.references(owner, _given(body)),
            simulate=simulated,
        ),
        request=body.model_dump(mode="json", exclude_none=True),
        deadline_s=parts.settings.generation_deadline_s,
        key=key,
        fingerprint=fingerprint(body.model_dump_json(), simulate or ""),
    )


def problem(refusal: Problem) -> Response:
    """``{"data": null, "error": {"code", "message", "details"?}}``."""
    error: dict[str, Any] = {"code": refusal.code.upper(), "message": refusal.detail}
    if refusal.details:
        error["details"] = refusal.details
    response = answer({"data": None, "error": error}, refusal.status)
    response.headers.update(refusal.headers)
    return response


def _accepted(generation: NewGeneration) -> Response:
    return answer(_enveloped({"session_id": str(generation.id), "status": "queued"}), 201)


def _enveloped(data: object) -> dict[str, object]:
    return {"data": data, "error": None}


def _given(body: CreateTryOn) -> list[Given]:
    roles: list[Role] = ["person", *["garment" for _ in body.image_urls[1:]]]  # type: ignore[list-item]
    return [
        Given(f"image_urls.{i}", role, text) for i, (role, text) in enumerate(zip(roles, body.image_urls, strict=True))
    ]


async def _of_store(parts: Parts, id_: str, owner: Owner) -> Generation:
    generation = await generations.of_owner(parts.pool, id_from_path(id_, "generation"), owner)
    if generation is None:
        raise not_found("generation")
    return generation


def _view(generation: Generation, objects: ObjectStore) -> dict[str, object]:
    """What a store sees; ``generated_image_url`` is signed as it is read, for 15 minutes."""
    snapshot = generation.snapshot
    status = STATUSES[snapshot.state]
    error = (snapshot.error or {}).get("message", snapshot.state) if status == "failed" else None
    key = snapshot.outputs[0]["key"] if snapshot.outputs else None
    return {
        "session_id": str(generation.id),
        "status": status,
        "generated_image_url": objects.presign_get(key, PRESIGN_S_MAX) if key else None,
        "error_message": error,
        "created_at": generation.created_at.isoformat(),
    }


SHAPE = Shape("b2b", CREATE, _accepted, problem)
