"""What is Google's own: how a request is put to its models, one picture a call."""

import io
from collections.abc import AsyncIterator
from datetime import date
from typing import Any

import pytest
from PIL import Image

from atelier_contracts import RenderSpec
from atelier_contracts.image_models import GEMINI_IMAGE_MODELS, IMAGEN_MODELS
from atelier_provider_simulator.control import Control
from atelier_provider_simulator.google_content import MODELS
from atelier_render.providers.google import models
from atelier_render.providers.google.provider import Google
from atelier_render.providers.protocol import Failed, Partial, Succeeded
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser

from .support.provider_subjects import job_of

TODAY = date(2026, 12, 1)
WORDS: dict[str, Any] = {"kind": "image", "prompt": "a lake"}


@pytest.fixture
async def control(simulator_url: str) -> AsyncIterator[Control]:
    async with Control(simulator_url) as control:
        await control.forget()
        yield control


@pytest.fixture
async def google(control: Control, normaliser: ImageNormaliser) -> AsyncIterator[Google]:
    provider = Google(control.google_key, normaliser, base_url=control.google_url)
    yield provider
    await provider.close()


def test_every_model_that_clients_may_name_is_offered_and_made_by_one_that_is_there() -> None:
    named = {name for offer in models.offers(TODAY) for name in offer.models}

    assert named == {*IMAGEN_MODELS, *GEMINI_IMAGE_MODELS}
    assert {models.wire_of(name, TODAY).model for name in named} == set(MODELS) - {"gemini-2.5-flash-image"}


@pytest.mark.parametrize(
    ("asked", "resolution"),
    [
        ({}, "1K"),
        ({"quality": "hd"}, "2K"),
        ({"size": "1792x1024"}, "2K"),
        ({"size": "1024x1024", "model": "gemini-3.1-flash-lite-image"}, None),
    ],
)
def test_the_smallest_resolution_that_holds_the_size_is_asked_for(
    asked: dict[str, Any], resolution: str | None
) -> None:
    spec = RenderSpec(**(WORDS | asked))

    assert models.resolution_of(spec, models.wire_of(spec.model, TODAY)) == resolution


@pytest.mark.parametrize(
    ("today", "maker"),
    [(date(2026, 10, 1), "gemini-2.5-flash-image"), (date(2026, 10, 2), "gemini-3.1-flash-image")],
    ids=["its last day", "gone"],
)
async def test_a_model_is_sent_by_its_own_name_until_it_is_gone_and_the_outcome_names_its_maker(
    control: Control, normaliser: ImageNormaliser, today: date, maker: str
) -> None:
    provider = Google(control.google_key, normaliser, base_url=control.google_url, today=lambda: today)

    outcome = await provider.submit(job_of(b"", b"", **(WORDS | {"model": "gemini-2.5-flash-image"})))
    await provider.close()

    assert isinstance(outcome, Succeeded) and outcome.model == maker
    assert [request.model for request in await control.requests()] == [maker]


async def test_each_picture_is_a_call_with_a_key_of_its_own(control: Control, google: Google) -> None:
    outcome = await google.submit(
        job_of(b"", b"", key="k", **(WORDS | {"n": 2, "model": "imagen-4.0-ultra-generate-001"}))
    )

    assert isinstance(outcome, Succeeded) and outcome.delivered == 2
    arrived = await control.requests()
    assert {(request.idempotency_key, request.model) for request in arrived} == {
        ("k-1of2", "gemini-3-pro-image"),
        ("k-2of2", "gemini-3-pro-image"),
    }


async def test_pictures_that_a_filter_holds_back_are_missing_not_fatal(control: Control, google: Google) -> None:
    await control.plan("google", "partial", times=3, delivered=1)

    outcome = await google.submit(job_of(b"", b"", **(WORDS | {"n": 3})))

    assert isinstance(outcome, Partial) and outcome.delivered == 1


async def test_an_edit_depends_on_its_picture_and_on_its_mask(google: Google) -> None:
    def draw(colour: str) -> bytes:
        out = io.BytesIO()
        Image.new("RGBA", (64, 64), colour).save(out, "PNG")
        return out.getvalue()

    red, blue = draw("red"), draw("blue")
    jobs = [job_of(request, other, **WORDS, mode="masked") for request, other in ((red, red), (blue, red), (red, blue))]

    outcomes = [await google.submit(job) for job in jobs]

    assert len({outcome.pictures[0].data for outcome in outcomes if isinstance(outcome, Succeeded)}) == 3


async def test_a_key_that_is_not_accepted_is_the_operators_business(
    control: Control, normaliser: ImageNormaliser
) -> None:
    provider = Google("mistyped", normaliser, base_url=control.google_url)

    outcome = await provider.submit(job_of(b"", b"", **WORDS))
    await provider.close()

    assert isinstance(outcome, Failed) and outcome.code == "provider_unavailable"
    assert "ATELIER_GOOGLE_API_KEY" in outcome.reason and "mistyped" not in outcome.reason
