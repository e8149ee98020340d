"""The routes of the image API in OpenAI's shape."""

from datetime import date

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_contracts.model_lifecycles import lifecycle_of
from atelier_gateway.container import Container
from atelier_gateway.generations.image_models import MODELS
from atelier_gateway.generations.model_notices import midnight, notice_headers
from atelier_gateway.rate_limits.request_limits import with_rate_limits
from atelier_gateway.surfaces.onmodel import models_alias
from atelier_gateway.surfaces.openai import batches, files, openapi, speech
from atelier_gateway.surfaces.openai.create import ParsedRequest, create
from atelier_gateway.surfaces.openai.requests import (
    OpenAIImageEditRequest,
    OpenAIImageRequest,
    OpenAIImageVariationRequest,
    read_form,
)
from atelier_gateway.web.json_bodies import json_response, parse_body
from atelier_gateway.web.problems import Problem

PREFIX = "/v1/images"
EDITS, VARIATIONS = f"{PREFIX}/edits", f"{PREFIX}/variations"
PICTURE_PATHS = (EDITS, VARIATIONS, files.PREFIX)
"""The paths whose bodies may carry files."""
MODELS_PREFIX = "/v1/models"
LISTED_SINCE = date(2026, 11, 20)
"""OpenAI's list has a date for each model: since when this API offers it, where the provider's date is unknown."""


def router(container: Container) -> APIRouter:
    """The routes of the surface."""
    routes = APIRouter()
    images = APIRouter(tags=["Images (OpenAI's shape)"])
    for add in (_add_generations, _add_from_pictures, _add_models):
        add(images, container)
    routes.include_router(images)
    for module in (speech, files, batches):
        routes.include_router(module.router(container))
    return routes


def _add_generations(routes: APIRouter, container: Container) -> None:
    @routes.post(f"{PREFIX}/generations", responses=openapi.STREAMED, openapi_extra=openapi.GENERATING)
    async def create_image(request: Request) -> Response:
        """Create images from a prompt. The answer holds them."""

        async def parse() -> ParsedRequest:
            return ParsedRequest(await parse_body(request, OpenAIImageRequest))

        return await with_rate_limits(
            container.rate_limiter, lambda gate: create(container, request, gate, "generations", parse)
        )


def _add_from_pictures(routes: APIRouter, container: Container) -> None:
    @routes.post(
        EDITS, responses=openapi.STREAMED, openapi_extra=openapi.takes_form(OpenAIImageEditRequest, "image", "mask")
    )
    async def create_image_edit(request: Request) -> Response:
        """Create images from pictures and a prompt, with a mask where only a part may change."""

        async def parse() -> ParsedRequest:
            return ParsedRequest(*await read_form(request, OpenAIImageEditRequest))

        return await with_rate_limits(
            container.rate_limiter, lambda gate: create(container, request, gate, "edits", parse)
        )

    @routes.post(
        VARIATIONS, responses=openapi.MADE, openapi_extra=openapi.takes_form(OpenAIImageVariationRequest, "image")
    )
    async def create_image_variation(request: Request) -> Response:
        """Create variations of a picture."""

        async def parse() -> ParsedRequest:
            return ParsedRequest(*await read_form(request, OpenAIImageVariationRequest))

        return await with_rate_limits(
            container.rate_limiter, lambda gate: create(container, request, gate, "variations", parse)
        )


def _add_models(routes: APIRouter, container: Container) -> None:
    @routes.get(MODELS_PREFIX, responses=openapi.LISTED, openapi_extra=openapi.LISTING)
    async def list_models(request: Request) -> Response:
        """List the models that a request can name."""
        if (mannequins := await models_alias(container, request)) is not None:
            return mannequins
        await container.authenticator.authenticate(request.headers)
        return json_response({"object": "list", "data": [_model_view(name) for name in _available_models(container)]})

    @routes.get(MODELS_PREFIX + "/{model}", responses=openapi.FOUND, openapi_extra=openapi.READING)
    async def get_model(request: Request, model: str) -> Response:
        """Get a model."""
        await container.authenticator.authenticate(request.headers)
        if model not in _available_models(container):
            raise Problem("model_not_found", f"There is no model {model!r} here.")
        response = json_response(_model_view(model))
        response.headers.update(notice_headers(model))
        return response


def _available_models(container: Container) -> list[str]:
    """The models that requests can name here."""
    return [name for name, model in MODELS.items() if container.catalogue.is_offered(name, model.provider)]


def _model_view(name: str) -> dict[str, object]:
    lifecycle = lifecycle_of(name)
    return {
        "id": name,
        "object": "model",
        "created": int(midnight(lifecycle.offered_on or LISTED_SINCE).timestamp()),
        "owned_by": MODELS[name].provider,
        "shutdown_date": lifecycle.gone_on.isoformat() if lifecycle.gone_on else None,
        "successor": lifecycle.successor,
    }
