"""The routes of seed 001: stories, and what becomes of narrating them."""

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from atelier_contracts import Owner
from atelier_gateway.container import Parts
from atelier_gateway.identity.authenticator import Principal
from atelier_gateway.stories import store as stories
from atelier_gateway.stories.store import Narration, Story
from atelier_gateway.surfaces.stories import openapi as docs
from atelier_gateway.surfaces.stories.create import Making
from atelier_gateway.surfaces.stories.requests import NewStory, Page, StoryGenerationRequest, id_of, page_of, status_of
from atelier_gateway.surfaces.stories.responses import narration_view, states_of, story_view
from atelier_gateway.web.json_bodies import answer, takes
from atelier_gateway.web.problems import Problem


def router(parts: Parts) -> APIRouter:
    """The routes of the surface."""
    routes, making = APIRouter(prefix="/api", tags=["Stories"]), Making(parts)
    _add_stories(routes, parts, making)
    _add_making(routes, parts, making)
    _add_narrations(routes, parts)
    return routes


def _add_stories(routes: APIRouter, parts: Parts, making: Making) -> None:
    @routes.post(
        "/stories",
        status_code=201,
        responses=docs.answers(201, docs.Story, 400, 409, 413, 422),
        openapi_extra=takes(NewStory),
    )
    async def create_story(request: Request) -> Response:
        """Create a story, which can be narrated any number of times."""
        return await making.story(request, await _user(parts, request))

    @routes.get("/stories", responses=docs.answers(200, docs.StoryPage, 400), openapi_extra=docs.PAGING)
    async def list_stories(request: Request) -> Response:
        """List the stories of the user, page by page."""
        principal, page = await _user(parts, request), page_of(request.query_params)
        found, total = await stories.page(parts.pool, principal.owner.id, limit=page.size, offset=page.offset)
        return _page([story_view(story) for story in found], page, total)

    @routes.get("/stories/{id}", responses=docs.answers(200, docs.Story, 400, 404))
    async def get_story(request: Request, id: str) -> Response:
        """Get a story with its text."""
        principal = await _user(parts, request)
        return answer(story_view(await _story(parts, principal, id)))


def _add_making(routes: APIRouter, parts: Parts, making: Making) -> None:
    @routes.post(
        "/story-generations",
        status_code=202,
        responses=docs.answers(202, docs.StoryGenerationStart, 400, 402, 404, 409, 413, 422),
        openapi_extra=takes(StoryGenerationRequest),
    )
    async def create_story_generation(request: Request) -> Response:
        """Create a narration of a story."""
        return await making.narration(request, await _user(parts, request))


def _add_narrations(routes: APIRouter, parts: Parts) -> None:
    @routes.get(
        "/story-generations", responses=docs.answers(200, docs.StoryGenerationPage, 400), openapi_extra=docs.FILTERED
    )
    async def list_story_generations(request: Request) -> Response:
        """List the narrations of the user, page by page."""
        principal, page = await _user(parts, request), page_of(request.query_params)
        status = status_of(request.query_params)
        found, total = await stories.narrations(
            parts.pool,
            principal.owner.id,
            states=states_of(status) if status else None,
            limit=page.size,
            offset=page.offset,
        )
        return _page([narration_view(narration, parts.objects) for narration in found], page, total)

    @routes.get("/story-generations/{id}", responses=docs.answers(200, docs.StoryGeneration, 400, 404))
    async def get_story_generation(request: Request, id: str) -> Response:
        """Get a narration, with its audio once there is some."""
        principal = await _user(parts, request)
        return answer(narration_view(await _narration(parts, principal, id), parts.objects))

    @routes.delete("/story-generations/{id}", status_code=204, responses=docs.answers(204, None, 400, 404, 409))
    async def delete_story_generation(request: Request, id: str) -> Response:
        """Delete a narration that has ended."""
        principal = await _user(parts, request)
        await parts.deleting.delete((await _narration(parts, principal, id)).generation)
        return Response(status_code=204)


async def _user(parts: Parts, request: Request) -> Principal:
    """The user, acting for themselves. Raises Problem 401, or 403 for a disabled account."""
    user = await parts.identity.user(request.headers)
    return Principal(Owner(kind="user", id=user.id), "b2c")


async def _story(parts: Parts, principal: Principal, id_: str) -> Story:
    story = await stories.find(parts.pool, id_of(id_), principal.owner.id)
    if story is None:
        raise Problem("not_found", "Story not found")
    return story


async def _narration(parts: Parts, principal: Principal, id_: str) -> Narration:
    narration = await stories.narration(parts.pool, id_of(id_), principal.owner.id)
    if narration is None:
        raise Problem("not_found", "Generation not found")
    return narration


def _page(data: list[dict[str, Any]], page: Page, total: int) -> Response:
    return answer({"data": data, "meta": {"page": page.number, "pageSize": page.size, "total": total}})
