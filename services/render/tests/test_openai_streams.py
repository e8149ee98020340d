"""OpenAI's own streams are read for a client that waits for previews, refusals in them too."""

import io
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import openai
import pytest
from PIL import Image

from atelier_provider_simulator.control import Control
from atelier_render.providers.openai.errors import outcome_of
from atelier_render.providers.openai.provider import OpenAI
from atelier_render.providers.protocol import Input, Picture, Refused, Succeeded
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser

from .support.provider_subjects import job_of


@pytest.fixture
async def control(simulator_url: str) -> AsyncIterator[Control]:
    async with Control(simulator_url) as control:
        await control.forget()
        yield control


@pytest.mark.parametrize("image", [None, "image"])
async def test_for_a_client_that_waits_for_previews_openais_own_stream_is_read(
    control: Control, normaliser: ImageNormaliser, image: str | None
) -> None:
    shown: list[Picture] = []

    async def show(picture: Picture) -> None:
        shown.append(picture)

    provider = OpenAI(control.openai_key, normaliser, base_url=control.openai_url)
    photo = io.BytesIO()
    Image.new("RGB", (64, 64), "red").save(photo, "PNG")
    inputs = (Input(image, photo.getvalue()),) if image else ()
    spec: dict[str, Any] = {"kind": "image", "prompt": "a lake", "model": "gpt-image-2.6-flare"}
    job = replace(job_of(b"", b"", **spec, format="webp", previews=2), inputs=inputs, show=show)

    made = await provider.submit(job)

    await provider.close()
    assert isinstance(made, Succeeded) and len(made.pictures) == 1
    assert {picture.content_type for picture in (*shown, *made.pictures)} == {"image/webp"}
    assert len({picture.data for picture in (*shown, *made.pictures)}) == 3
    [sent] = await control.requests()
    assert sent.parameters["partial_images"] == "2"
    assert job.meter.usage.output_image_tokens > 0 and len(job.meter.request_ids) == 1


def test_what_a_stream_says_of_the_content_rules_is_a_refusal() -> None:
    error = openai.APIError(
        "refused", httpx2.Request("POST", "http://x"), body={"code": "moderation_blocked", "message": "Not this."}
    )

    assert outcome_of(error) == Refused("Not this")
