"""Which provider gets a job: a named provider is a preference, a model that a provider lists is binding."""

from dataclasses import dataclass
from typing import Any

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from pydantic import SecretStr

from atelier_contracts import InputRef, RenderSpec
from atelier_render.internal_api import internal_router
from atelier_render.providers.protocol import Capabilities, Offer, ProviderJob, ProviderOutcome
from atelier_render.providers.selection import candidates, objection

PICTURE = InputRef(role="image", key="k")


@dataclass
class Named:
    """A provider by its declaration alone."""

    name: str
    capabilities: Capabilities

    async def submit(self, job: ProviderJob) -> ProviderOutcome:
        raise NotImplementedError

    async def recall(self, job: ProviderJob) -> ProviderOutcome:
        raise NotImplementedError


def provider_of(name: str, *offers: Offer) -> Named:
    return Named(name, Capabilities(offers, reads_inputs=True, remote=name != "local"))


LOCAL = provider_of("local", Offer("image"))
WORDS = provider_of("words", Offer("image", modes=("words",), models=("big", "small"), sizes=("1x1",), n_max=1))
ROWS = provider_of("rows", Offer("image", models=("big",), n_max=1), Offer("image", models=("old",), sizes=("2x2",)))
ALL = (LOCAL, WORDS, ROWS)
BUILT_IN = Named("built-in", Capabilities((Offer("image"), Offer("try_on")), reads_inputs=True, last_resort=True))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"prompt": "p"}, "local words rows"),
        ({"prompt": "p", "provider": "rows"}, "rows local words"),
        ({"prompt": "p", "provider": "unheard of"}, "local words rows"),
        ({"prompt": "p", "model": "big"}, "words rows"),
        ({"prompt": "p", "model": "big", "provider": "rows"}, "rows words"),
        ({"prompt": "p", "model": "unheard of"}, "local"),
        ({"prompt": "p", "model": "small", "size": "2x2"}, ""),
        ({"prompt": "p", "inputs": (PICTURE,)}, "local rows"),
        ({"inputs": (PICTURE,), "n": 2, "size": "2x2"}, "local rows"),
        ({"prompt": "p", "n": 2, "model": "old"}, "rows"),
        ({"kind": "try_on"}, ""),
    ],
)
def test_the_able_are_asked_in_order(asked: dict[str, Any], expected: str) -> None:
    spec = RenderSpec(**({"kind": "image"} | asked))

    assert " ".join(p.name for p in candidates(ALL, spec)) == expected


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"prompt": "p"}, "words rows"),
        ({"prompt": "p", "provider": "rows"}, "rows words"),
        ({"prompt": "p", "provider": "built-in"}, "built-in words rows"),
        ({"prompt": "p", "model": "unheard of"}, ""),
        ({"kind": "try_on"}, "built-in"),
    ],
)
def test_a_last_resort_is_asked_by_name_or_for_what_nobody_else_makes(asked: dict[str, Any], expected: str) -> None:
    spec = RenderSpec(**({"kind": "image"} | asked))

    assert " ".join(p.name for p in candidates((BUILT_IN, WORDS, ROWS), spec)) == expected


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"model": "small", "size": "2x2"}, "the words provider objects: the size of image is one of 1x1, not 2x2"),
        (
            {"provider": "words", "model": "unheard of"},
            "the words provider objects: the model of image is one of big, small, not unheard of",
        ),
        ({"kind": "try_on"}, "the local provider objects: it cannot make try_on"),
    ],
)
def test_the_objection_is_that_of_whom_it_was_meant_for(asked: dict[str, Any], said: str) -> None:
    assert objection(ALL, RenderSpec(**({"kind": "image", "prompt": "p"} | asked))) == said


async def test_the_offers_are_read_by_colleagues_with_the_token() -> None:
    app = FastAPI()
    app.include_router(internal_router(None, SecretStr("token"), (LOCAL, WORDS)))  # type: ignore[arg-type]
    client = AsyncClient(transport=ASGITransport(app), base_url="http://render")

    unasked = await client.get("/internal/offers")
    offers = (await client.get("/internal/offers", headers={"Authorization": "Bearer token"})).json()

    assert unasked.status_code == 401
    assert [(p["name"], p["remote"]) for p in offers["providers"]] == [("local", False), ("words", True)]
    assert offers["providers"][1]["offers"] == [
        {"kind": "image", "modes": ["words"], "models": ["big", "small"], "sizes": ["1x1"],
         "any_size": False, "styles": [], "qualities": [], "formats": [], "audio_formats": ["mp3", "wav"],
         "n_max": 1, "images_max": 4}
    ]  # fmt: skip
