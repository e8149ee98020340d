"""Our own surface: any kind of work, any credential, RFC 9457 errors."""

from typing import Annotated, Self

from fastapi import APIRouter, Request
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError
from starlette.responses import Response

from atelier_contracts import Kind, RenderSpec, Simulation, Work
from atelier_contracts.vocabulary import INPUTS_MAX, N_MAX, PROMPT_CHARS_MAX, ImageFormat, Role
from atelier_gateway import kinds
from atelier_gateway.bodies import Body, Line, Prose, answer, id_from_path, read, takes
from atelier_gateway.creating import Draft, Shape
from atelier_gateway.idempotency import HEADER, checked, fingerprint
from atelier_gateway.identity.principals import Principal
from atelier_gateway.inputs import Given
from atelier_gateway.internal import Unanswered, unavailable
from atelier_gateway.parts import Parts
from atelier_gateway.problems import not_found, problem_json
from atelier_gateway.simulation import HEADER as SIMULATE
from atelier_gateway.simulation import simulation
from atelier_gateway.store import generations
from atelier_gateway.store.generations import Generation
from atelier_gateway.surfaces import uploads
from atelier_gateway.surfaces.native_views import accepted, receipt, view
from atelier_gateway.uploading import Upload

PREFIX = "/v1"
CREATE = f"POST {PREFIX}/generations"
UPLOAD = f"POST {PREFIX}/uploads"
SEED_MAX = 2**31 - 1


class Input(Body):
    """One input picture: a key of an own upload, or a URL."""

    role: Role
    key: Annotated[str, Field(min_length=1, max_length=1_024)] | None = None
    url: Annotated[str, Field(min_length=1, max_length=4_096)] | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.key is None) == (self.url is None):
            raise PydanticCustomError("exactly_one", "exactly one of key and url is required")
        return self

    def given(self, index: int) -> Given:
        """As the client wrote it, and where."""
        name = "url" if self.key is None else "key"
        return Given(f"inputs.{index}.{name}", self.role, self.url or self.key or "")


class CreateGeneration(Body):
    """``POST /v1/generations`` (REQUIREMENTS, the native surface)."""

    kind: Kind
    prompt: Annotated[Prose, Field(min_length=1, max_length=PROMPT_CHARS_MAX)] | None = None
    inputs: list[Input] = Field(default_factory=list, max_length=INPUTS_MAX)
    size: Annotated[str, Field(pattern=r"^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$")] | None = None
    style: Line | None = None
    quality: Line | None = None
    format: ImageFormat = "png"
    n: int = Field(default=1, ge=1, le=N_MAX)
    seed: int = Field(default=0, ge=0, le=SEED_MAX)
    provider: Line | None = None
    model: Line | None = None
    deadline_s: int | None = Field(default=None, ge=1, le=86_400)
    metadata: dict[Line, Annotated[Prose, Field(max_length=500)]] = Field(default_factory=dict, max_length=50)

    def work(self) -> Work:
        """What the price depends on."""
        characters = len(self.prompt or "") if self.kind == "narration" else 0
        return Work(kind=self.kind, quality=self.quality, size=self.size, n=self.n, characters=characters)


def router(parts: Parts) -> APIRouter:
    """The routes of the surface."""
    routes = APIRouter(prefix=PREFIX, tags=["Generations"])
    public_url = str(parts.settings.public_url).rstrip("/")
    shape = Shape("native", CREATE, lambda generation: accepted(generation, public_url), problem_json)

    @routes.post("/generations", status_code=201, openapi_extra=takes(CreateGeneration))
    async def create(request: Request) -> Response:
        principal = await parts.identity.anyone(request.headers)
        return await parts.creating.create(principal, await _draft(parts, request, principal), shape)

    @routes.get("/generations/{id}")
    async def get(request: Request, id: str) -> Response:
        return answer(view(await _owned(parts, request, id), parts.objects, public_url))

    @routes.get("/generations/{id}/receipt")
    async def get_receipt(request: Request, id: str) -> Response:
        generation = await _owned(parts, request, id)
        try:
            return answer(receipt(generation, await parts.internal.hold(generation.id)))
        except Unanswered as silent:
            raise unavailable(silent) from silent

    @routes.post("/uploads", status_code=201, openapi_extra=takes(Upload))
    async def upload(request: Request) -> Response:
        principal = await parts.identity.anyone(request.headers)
        return await uploads.offer(parts, request, principal, UPLOAD, lambda offered: offered)

    return routes


async def _owned(parts: Parts, request: Request, id_: str) -> Generation:
    principal = await parts.identity.anyone(request.headers)
    generation = await generations.of_owner(parts.pool, id_from_path(id_, "generation"), principal.owner)
    if generation is None:
        raise not_found("generation")
    return generation


async def _draft(parts: Parts, request: Request, principal: Principal) -> Draft:
    """The request, understood. Raises Problem."""
    key = checked(request.headers.get(HEADER))
    simulate = request.headers.get(SIMULATE)
    simulated = simulation(simulate, allowed=parts.simulating)
    body = await read(request, CreateGeneration)
    kinds.check(body.kind, [given.role for given in body.inputs], body.prompt)
    return Draft(
        work=body.work(),
        spec=await _spec(parts, principal, body, simulated),
        request=body.model_dump(mode="json", exclude_defaults=True),
        deadline_s=body.deadline_s or parts.settings.generation_deadline_s,
        key=key,
        fingerprint=fingerprint(body.model_dump_json(), simulate or ""),
    )


async def _spec(parts: Parts, principal: Principal, body: CreateGeneration, simulated: Simulation | None) -> RenderSpec:
    given = [one.given(index) for index, one in enumerate(body.inputs)]
    return RenderSpec(
        kind=body.kind,
        prompt=body.prompt,
        inputs=await parts.inputs.references(principal.owner, given),
        size=body.size,
        style=body.style,
        quality=body.quality,
        format=body.format,
        n=body.n,
        seed=body.seed,
        provider=body.provider,
        model=body.model,
        simulate=simulated,
    )
