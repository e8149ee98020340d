"""The routes of seed 004."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.projection import store as projection_store
from atelier_gateway.surfaces.onmodel.create import create
from atelier_gateway.surfaces.onmodel.openapi import BACKGROUNDS, CREATE, MODELS, STATUS, either_body
from atelier_gateway.surfaces.onmodel.requests import FEATURES, Feature
from atelier_gateway.surfaces.onmodel.responses import (
    CREATE_PATH,
    SURFACE,
    background_list,
    job_view,
    mannequin_list,
    render_problem,
)
from atelier_gateway.web.json_bodies import id_from_path, json_response
from atelier_gateway.web.problems import Problem, not_found

PREFIXES = ("/v1/onmodel/", "/v1/flatlay/", "/v1/backgrounds", CREATE_PATH)
"""Prefixes of the paths whose errors are rendered here; ``/v1/generations`` begins like one of them and is not."""


def router(container: Container) -> APIRouter:
    """The routes of the surface."""
    routes = APIRouter(tags=["On-model photos"])

    @routes.post(CREATE_PATH, responses=CREATE, openapi_extra=either_body())
    async def create_product_photo(request: Request) -> Response:
        """Create a product photo, worn by a model (`?onmodel`) or laid flat (`?flatlay`).

        The answer waits, or names a job.
        """
        return await create(container, request)

    @routes.get("/v1/onmodel/status/{job_id}", responses=STATUS)
    async def get_on_model_job(request: Request, job_id: str) -> Response:
        """Get the result of an on-model job."""
        return await _status(container, request, FEATURES["onmodel"], job_id)

    @routes.get("/v1/flatlay/status/{job_id}", responses=STATUS)
    async def get_flat_lay_job(request: Request, job_id: str) -> Response:
        """Get the result of a flat-lay job."""
        return await _status(container, request, FEATURES["flatlay"], job_id)

    @routes.get("/v1/onmodel/models", responses=MODELS)
    async def list_mannequins(request: Request) -> Response:
        """List the models that can wear a product."""
        await container.authenticator.user_principal(request.headers)
        return mannequin_list()

    @routes.get("/v1/onmodel/backgrounds", responses=BACKGROUNDS)
    async def list_on_model_backgrounds(request: Request) -> Response:
        """List the backgrounds of product photos, as `/v1/backgrounds` does."""
        return await list_backgrounds(request)

    @routes.get("/v1/backgrounds", responses=BACKGROUNDS)
    async def list_backgrounds(request: Request) -> Response:
        """List the backgrounds that a product can stand before or lie on."""
        await container.authenticator.user_principal(request.headers)
        return background_list()

    return routes


async def models_alias(container: Container, request: Request) -> Response | None:
    """What ``GET /v1/models`` answers with ``?onmodel``; None without: that is OpenAI's list (settled question 4)."""
    if "onmodel" not in request.query_params:
        return None
    try:
        await container.authenticator.user_principal(request.headers)
    except Problem as error:
        return render_problem(error)
    return mannequin_list()


async def _status(container: Container, request: Request, feature: Feature, job_id: str) -> Response:
    principal = await container.authenticator.user_principal(request.headers)
    generation = await projection_store.find_for_owner(container.pool, id_from_path(job_id, "job"), principal.owner)
    if generation is None or (generation.surface, generation.kind) != (SURFACE, feature.kind):
        raise not_found("job")
    return json_response(job_view(generation, container.objects))
