"""The form, as tests send it, and a form surface with other settings beside the running one."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID

import httpx
from fastapi import FastAPI, Request
from starlette.responses import Response

from atelier_contracts import Artefact, GenerationSucceeded
from atelier_gateway.middleware.request_guard import RequestGuard
from atelier_gateway.surfaces import form, shape_of, surface_of
from atelier_gateway.web.problems import Problem
from atelier_storage.keys import artefact_key

from .world import World

PATH = "/api/generate"
PICTURE = "https://res.cloudinary.com/demo/image/upload/coat.jpg"
FORM: dict[str, Any] = {
    "productImages": [PICTURE],
    "style": "realistic",
    "aspectRatio": "1:1",
    "quality": "standard",
    "model": "gpt-4.1-dalle-3",
}


async def post(world: World, headers: Mapping[str, str], **changes: Any) -> httpx.Response:
    """POSTs the form."""
    return await world.client.post(PATH, headers=headers, json={**FORM, **changes})


@asynccontextmanager
async def form_with(world: World, **settings: Any) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the form as it is with these settings, on the running gateway's own parts."""
    app = FastAPI()
    app.include_router(
        form.router(replace(world.container, settings=world.container.settings.model_copy(update=settings)))
    )
    app.add_exception_handler(Problem, _refuse)
    app.add_middleware(RequestGuard, body_bytes_max=1_048_576, shape_of=shape_of, surface_of=surface_of)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://form", timeout=30) as client:
        yield client


async def _refuse(_: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return form.render_problem(problem)


def error(refused: httpx.Response) -> tuple[int, str]:
    """Status and code; every error has its timestamp and the request's id."""
    body = refused.json()
    assert body["success"] is False and body["error"] and body["timestamp"].endswith("Z")
    assert body["requestId"] == refused.headers["X-Request-Id"]
    return refused.status_code, body["code"]


def success_of(generation: UUID, owner: UUID) -> GenerationSucceeded:
    key = artefact_key("user", owner, generation, 0, "png")
    made = Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32, width=8, height=9)
    return GenerationSucceeded(
        generation_id=generation, outputs=(made,), delivered=1, captured=1, refunded=0, provider="local"
    )
