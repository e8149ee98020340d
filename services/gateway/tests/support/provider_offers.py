"""Surfaces beside the running ones, with other providers than the tests have."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import httpx
from fastapi import FastAPI, Request
from starlette.responses import Response

from atelier_gateway.generations.admission import Admission
from atelier_gateway.generations.creation import GenerationCreator
from atelier_gateway.generations.provider_catalogue import ProviderCatalogue
from atelier_gateway.peers.client import PeerUnavailable
from atelier_gateway.surfaces import ROUTED, shape_of
from atelier_gateway.web.problems import Problem

from .world import World


def row(kind: str, **offered: Any) -> dict[str, Any]:
    """One row of a provider's offers, as render says it."""
    lists = dict.fromkeys(("modes", "models", "sizes", "styles", "qualities", "formats"), ())
    return {"kind": kind, "n_max": 10} | lists | offered


LOCAL = {"name": "local", "remote": False, "offers": [row("image"), row("product_shot"), row("on_model", n_max=1)]}
OPENAI = {
    "name": "openai",
    "remote": True,
    "offers": [
        row("image", models=["dall-e-3"], modes=["words"], sizes=["1024x1024"], n_max=1),
        row("image", models=["gpt-image-2"], modes=["words", "edit"], sizes=["1024x1024", "1536x1024"]),
    ],
}


@asynccontextmanager
async def surfaces_where(
    world: World, *providers: dict[str, Any], production: bool = False
) -> AsyncIterator[httpx.AsyncClient]:
    """A client of an installation with these providers; with ``production``, of one without fallbacks."""
    catalogue = await offers_of(providers, stands_in=not production)
    container = world.container
    admission = Admission(container.bus, container.reply_listener, container.peers, timeout_s=1.0)
    creator = GenerationCreator(container.pool, admission, catalogue, container.capacity, container.instance_id)
    app = FastAPI()
    for surface in ROUTED:
        app.include_router(surface.router(replace(container, catalogue=catalogue, creator=creator)))
    app.add_exception_handler(Problem, _refuse)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://offers", timeout=30) as client:
        yield client


async def offers_of(providers: Sequence[dict[str, Any]], *, stands_in: bool) -> ProviderCatalogue:
    """The gateway's catalogue of a render service with these offers, which no longer answers."""
    answers = [providers]

    async def ask() -> Sequence[dict[str, Any]]:
        if not answers:
            raise PeerUnavailable("render does not answer")
        return answers.pop()

    offers = ProviderCatalogue(ask, stands_in=stands_in)
    await offers.refresh()
    return offers


async def _refuse(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, Problem)
    return shape_of(request.url.path)(problem)
