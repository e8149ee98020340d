"""Google's format: what is accepted, in whose words it is refused, and that what is made is real."""

import base64
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from atelier_provider_simulator.control import Control

FLASH = "/models/gemini-3.1-flash-image:generateContent"


def body(**generation: Any) -> dict[str, Any]:
    return {"contents": [{"parts": [{"text": "a lake"}]}], "generationConfig": generation}


@pytest.mark.parametrize(
    ("config", "size"),
    [
        ({}, (1024, 1024)),
        ({"aspectRatio": "16:9", "imageSize": "2K"}, (2752, 1536)),
        ({"aspectRatio": "9:16"}, (768, 1376)),
    ],
)
async def test_pictures_are_of_the_ratio_and_resolution(
    google: httpx.AsyncClient, config: dict[str, str], size: tuple[int, int]
) -> None:
    answer = await google.post(FLASH, json=body(imageConfig=config, seed=3))

    (candidate,) = answer.json()["candidates"]
    (part,) = candidate["content"]["parts"]
    with Image.open(io.BytesIO(base64.b64decode(part["inlineData"]["data"]))) as image:
        assert image.size == size
    assert candidate["finishReason"] == "STOP"


@pytest.mark.parametrize(
    ("path", "body", "status", "word"),
    [
        (FLASH, {"contents": []}, 400, "INVALID_ARGUMENT"),
        (FLASH, body(imageConfig={"aspectRatio": "7:5"}), 400, "INVALID_ARGUMENT"),
        (FLASH, body(outputFormat="png"), 400, "INVALID_ARGUMENT"),
        (FLASH, body(candidateCount=2), 400, "INVALID_ARGUMENT"),
        (
            "/models/gemini-2.5-flash-image:generateContent",
            body(imageConfig={"imageSize": "2K"}),
            400,
            "INVALID_ARGUMENT",
        ),
        ("/models/imagen-4.0-generate-001:predict", {"instances": [{"prompt": "p"}]}, 404, "NOT_FOUND"),
    ],
)
async def test_what_the_service_refuses_is_refused_in_its_words(
    google: httpx.AsyncClient, path: str, body: dict[str, Any], status: int, word: str
) -> None:
    answer = await google.post(path, json=body)

    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["status"]) == (status, status, word)


async def test_an_unknown_key_is_400_and_none_is_403(google: httpx.AsyncClient) -> None:
    wrong = await google.post(FLASH, json=body(), headers={"x-goog-api-key": "another"})
    none = await google.post(FLASH, json=body(), headers={"x-goog-api-key": ""})

    assert (wrong.status_code, none.status_code) == (400, 403)
    assert "API key not valid" in wrong.text


async def test_limits_blocks_and_filters_look_as_the_service_words_them(
    control: Control, google: httpx.AsyncClient
) -> None:
    await control.plan("google", "rate_limited", retry_after_s=7)
    await control.plan("google", "refused")
    await control.plan("google", "partial", delivered=0)

    limited, blocked, filtered = [await google.post(FLASH, json=body()) for _ in range(3)]

    assert limited.json()["error"]["details"][0]["retryDelay"] == "7s"
    assert blocked.json()["promptFeedback"]["blockReason"] == "PROHIBITED_CONTENT"
    assert filtered.json()["candidates"][0]["finishReason"] == "IMAGE_SAFETY"
