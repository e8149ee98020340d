"""The lines of OpenAI's batches: each is a request of one of its image routes, in JSON."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError
from starlette.responses import Response

from atelier_contracts import Work
from atelier_contracts.value_objects import IMAGES_MAX, Role
from atelier_gateway.batches.records import PlannedRow
from atelier_gateway.batches.row_surface import Adjust
from atelier_gateway.container import Container
from atelier_gateway.generations.failure_problems import FieldNames
from atelier_gateway.generations.image_models import MODELS, ResolvedModel, nearest_size
from atelier_gateway.generations.surface_responses import SurfaceResponses
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.media.input_references import RequestedInput
from atelier_gateway.surfaces import image_requests
from atelier_gateway.surfaces.openai.create import OPEN, choose_model, image_request
from atelier_gateway.surfaces.openai.options import options_of
from atelier_gateway.surfaces.openai.requests import (
    OpenAIImageEditRequest,
    OpenAIImageRequest,
)
from atelier_gateway.surfaces.openai.responses import SURFACE, option_problem, render_accepted
from atelier_gateway.web.json_bodies import RequestBody, SingleLine, validation_problem
from atelier_gateway.web.problems import Problem, field_problem, problem_at, problem_json
from atelier_gateway.web.simulate_header import parse_simulation

GENERATIONS, EDITS = ENDPOINTS = "/v1/images/generations", "/v1/images/edits"
ROUTE = "batch line"
IMAGE_FIELDS = FieldNames("prompt", "images")


class OpenAIBatchLine(RequestBody):
    """One line of an input file."""

    custom_id: SingleLine
    method: Literal["POST"]
    url: SingleLine
    body: dict[str, Any]


class OpenAIImageReference(RequestBody):
    """A picture by its URL: of an upload of one's own, or a public one."""

    image_url: Annotated[str, Field(min_length=1, max_length=4_096)]


class OpenAIBatchEdit(OpenAIImageEditRequest):
    """An edit in a batch: JSON has no files, so its pictures are named by URLs."""

    images: list[OpenAIImageReference] = Field(min_length=1, max_length=IMAGES_MAX)
    mask: OpenAIImageReference | None = None


Body = OpenAIImageRequest | OpenAIBatchEdit


class OpenAILines:
    """Reads and creates the lines of OpenAI's batches."""

    fields = IMAGE_FIELDS

    def __init__(self, container: Container) -> None:
        self._container = container
        self._shape = SurfaceResponses(SURFACE, ROUTE, render_accepted, problem_json, option_problem)

    async def plan(self, principal: Principal, endpoint: str, line: Mapping[str, Any], number: int) -> PlannedRow:  # noqa: ARG002 - custom_id is required
        """The row that a line asks for. Raises Problem 400 naming the field."""
        try:
            parsed = OpenAIBatchLine.model_validate_json(json.dumps(line))
        except ValidationError as error:
            raise validation_problem(error) from None
        if parsed.url != endpoint:
            raise field_problem("url", f"the batch is for {endpoint}")
        try:
            body = _parse(endpoint, parsed.body)
            choice = await self._choose(principal, body)
        except Problem as error:
            raise problem_at("body.", error) from None
        work = Work(kind="image", quality=choice.quality, size=choice.priced_size, n=body.n or 1)
        return PlannedRow(parsed.custom_id, parsed.body, work)

    async def create(
        self, principal: Principal, endpoint: str, request: Mapping[str, Any], simulate: str | None, adjust: Adjust
    ) -> Response:
        """201 where its generation is admitted, else why not as a problem. Raises Problem for what left no trace."""
        container, body = self._container, _parse(endpoint, request)
        choice = await self._choose(principal, body)
        inputs = await container.input_resolver.resolve(principal.owner, _inputs(body))
        asked = body.model_copy(update={"images": [], "mask": None}) if isinstance(body, OpenAIBatchEdit) else body
        order = image_request(asked, choice, inputs)
        simulation = parse_simulation(simulate, allowed=container.simulates(principal.owner))
        deadline_s = container.settings.generation_deadline_s
        draft = image_requests.build_unkeyed_draft(container, order, simulation, deadline_s=deadline_s)
        draft = replace(draft, spec=draft.spec.model_copy(update={"priority": "low"}))
        return await container.creator.create(principal, adjust(draft), self._shape)

    async def _choose(self, principal: Principal, body: Body) -> ResolvedModel:
        """The model and size; without a size the nearest to the shape of the first picture, where that is known."""
        choice = choose_model(self._container, body, body.size)
        if isinstance(body, OpenAIBatchEdit) and body.size in OPEN:
            picture = await self._container.media_intake.find_picture(principal, body.images[0].image_url)
            if picture is not None:
                size = nearest_size(MODELS[choice.model].sizes, picture.width, picture.height)
                choice = choose_model(self._container, body, size)
        options_of(body, choice)
        return choice


def _parse(endpoint: str, given: Mapping[str, Any]) -> Body:
    model: type[Body] = OpenAIImageRequest if endpoint == GENERATIONS else OpenAIBatchEdit
    try:
        body = model.model_validate_json(json.dumps(given))
    except ValidationError as error:
        raise validation_problem(error) from None
    if body.stream or body.partial_images:
        raise field_problem("stream" if body.stream else "partial_images", "a batch brings no stream")
    return body


def _inputs(body: Body) -> list[RequestedInput]:
    if not isinstance(body, OpenAIBatchEdit):
        return []
    named: list[tuple[str, Role, OpenAIImageReference]] = [
        (f"images.{index}.image_url", "image", image) for index, image in enumerate(body.images)
    ]
    if body.mask is not None:
        named.append(("mask.image_url", "mask", body.mask))
    return [RequestedInput(field, role, reference.image_url) for field, role, reference in named]
