"""The routes of seed 001: stories and their narrations."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_gateway.container import Container
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.stories import store as story_store
from atelier_gateway.stories.store import Story, StoryNarration
from atelier_gateway.surfaces.stories import openapi
from atelier_gateway.surfaces.stories.create import StoryCreator
from atelier_gateway.surfaces.stories.requests import NewStory, Page, StoryGenerationRequest, id_of, page_of, status_of
from atelier_gateway.surfaces.stories.responses import narration_view, states_of, story_view
from atelier_gateway.web.json_bodies import body_schema, json_response
from atelier_gateway.web.problems import Problem


def router(container: Container) -> APIRouter:
    """The routes of the surface."""
    routes, creator = APIRouter(prefix="/api", tags=["Stories"]), StoryCreator(container)
    _add_stories(routes, container, creator)
    _add_creates(routes, container, creator)
    _add_narrations(routes, container)
    return routes


def _add_stories(routes: APIRouter, container: Container, creator: StoryCreator) -> None:
    @routes.post(
        "/stories",
        status_code=201,
        responses=openapi.answers(201, openapi.Story, 400, 409, 413, 422),
        openapi_extra=body_schema(NewStory),
    )
    async def create_story(request: Request) -> Response:
        """Create a story, which can be narrated any number of times."""
        return await creator.create_story(request, await container.authenticator.user_principal(request.headers))

    @routes.get("/stories", responses=openapi.answers(200, openapi.StoryPage, 400), openapi_extra=openapi.PAGING)
    async def list_stories(request: Request) -> Response:
        """List the stories of the user, page by page."""
        principal, page = await container.authenticator.user_principal(request.headers), page_of(request.query_params)
        found, total = await story_store.list_page(
            container.pool, principal.owner.id, limit=page.size, offset=page.offset
        )
        return _page([story_view(story) for story in found], page, total)

    @routes.get("/stories/{id}", responses=openapi.answers(200, openapi.Story, 400, 404))
    async def get_story(request: Request, id: str) -> Response:
        """Get a story with its text."""
        principal = await container.authenticator.user_principal(request.headers)
        return json_response(story_view(await _story(container, principal, id)))


def _add_creates(routes: APIRouter, container: Container, creator: StoryCreator) -> None:
    @routes.post(
        "/story-generations",
        status_code=202,
        responses=openapi.answers(202, openapi.StoryGenerationStart, 400, 402, 404, 409, 413, 422),
        openapi_extra=body_schema(StoryGenerationRequest),
    )
    async def create_story_generation(request: Request) -> Response:
        """Create a narration of a story."""
        return await creator.create_narration(request, await container.authenticator.user_principal(request.headers))


def _add_narrations(routes: APIRouter, container: Container) -> None:
    @routes.get(
        "/story-generations",
        responses=openapi.answers(200, openapi.StoryGenerationPage, 400),
        openapi_extra=openapi.FILTERED,
    )
    async def list_story_generations(request: Request) -> Response:
        """List the narrations of the user, page by page."""
        principal, page = await container.authenticator.user_principal(request.headers), page_of(request.query_params)
        status = status_of(request.query_params)
        found, total = await story_store.list_narrations(
            container.pool,
            principal.owner.id,
            states=states_of(status) if status else None,
            limit=page.size,
            offset=page.offset,
        )
        return _page([narration_view(narration, container.objects) for narration in found], page, total)

    @routes.get("/story-generations/{id}", responses=openapi.answers(200, openapi.StoryGeneration, 400, 404))
    async def get_story_generation(request: Request, id: str) -> Response:
        """Get a narration, with its audio once there is some."""
        principal = await container.authenticator.user_principal(request.headers)
        return json_response(narration_view(await _narration(container, principal, id), container.objects))

    @routes.delete("/story-generations/{id}", status_code=204, responses=openapi.answers(204, None, 400, 404, 409))
    async def delete_story_generation(request: Request, id: str) -> Response:
        """Delete a narration that has ended."""
        principal = await container.authenticator.user_principal(request.headers)
        await container.deleter.delete((await _narration(container, principal, id)).generation)
        return Response(status_code=204)


async def _story(container: Container, principal: Principal, id_: str) -> Story:
    story = await story_store.find(container.pool, id_of(id_), principal.owner.id)
    if story is None:
        raise Problem("not_found", "Story not found")
    return story


async def _narration(container: Container, principal: Principal, id_: str) -> StoryNarration:
    narration = await story_store.find_narration(container.pool, id_of(id_), principal.owner.id)
    if narration is None:
        raise Problem("not_found", "Generation not found")
    return narration


def _page(data: list[dict[str, Any]], page: Page, total: int) -> Response:
    return json_response({"data": data, "meta": {"page": page.number, "pageSize": page.size, "total": total}})
