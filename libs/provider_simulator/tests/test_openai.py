"""OpenAI's format: what is accepted, in whose words it is refused, and that what is made is real."""

import base64
import io
from typing import Any

import httpx
import pytest
from PIL import Image

from atelier_provider_simulator.control import Control

GPT = {"model": "gpt-image-2.5-flare", "prompt": "a lake"}


def picture(size: tuple[int, int] = (64, 64), mode: str = "RGB", file_format: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.new(mode, size, 128 if mode == "L" else (10, 200, 30, 0)[: len(mode)]).save(out, file_format)
    return out.getvalue()


def sides(encoded: str) -> tuple[int, int]:
    with Image.open(io.BytesIO(base64.b64decode(encoded))) as image:
        image.load()
        return image.size


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        (GPT | {"n": 2}, (1024, 1024)),
        (GPT | {"size": "1536x864", "output_format": "webp", "quality": "max"}, (1536, 864)),
        ({"model": "gpt-image-1.5", "prompt": "p", "size": "1024x1536", "quality": "high"}, (1024, 1536)),
        ({"model": "dall-e-3", "prompt": "p", "size": "1792x1024", "response_format": "b64_json"}, (1792, 1024)),
    ],
)
async def test_pictures_are_of_the_size_that_was_asked(
    openai: httpx.AsyncClient, payload: dict[str, Any], size: tuple[int, int]
) -> None:
    answer = await openai.post("/images/generations", json=payload)

    body = answer.json()
    assert answer.status_code == 200, body
    assert answer.headers["x-request-id"].startswith("req_")
    assert [sides(image["b64_json"]) for image in body["data"]] == [size] * payload.get("n", 1)


@pytest.mark.parametrize(
    ("wrong", "status", "param", "code"),
    [
        ({"seed": 3}, 400, "seed", "unknown_parameter"),
        ({"style": "vivid"}, 400, "style", "unknown_parameter"),
        ({"response_format": "b64_json"}, 400, "response_format", "unknown_parameter"),
        ({"size": "1000x1000"}, 400, "size", "invalid_value"),
        ({"size": "256x256"}, 400, "size", "invalid_value"),
        ({"quality": "hd"}, 400, "quality", "invalid_value"),
        ({"n": 11}, 400, "n", "integer_above_max_value"),
        ({"prompt": ""}, 400, "prompt", "missing_required_parameter"),
        ({"model": "gpt-image-9"}, 404, "model", "model_not_found"),
        ({"model": "dall-e-3", "n": 2}, 400, "n", "integer_above_max_value"),
        ({"model": "dall-e-3", "output_format": "png"}, 400, "output_format", "unknown_parameter"),
        ({"model": "dall-e-2", "prompt": "p" * 1_001}, 400, "prompt", "string_above_max_length"),
    ],
)
async def test_what_the_service_refuses_is_refused_in_its_words(
    openai: httpx.AsyncClient, control: Control, wrong: dict[str, Any], status: int, param: str, code: str
) -> None:
    answer = await openai.post("/images/generations", json=GPT | wrong)

    error = answer.json()["error"]
    assert (answer.status_code, error["param"], error["code"]) == (status, param, code)
    assert error["type"] == "invalid_request_error" and error["message"]
    assert [request.outcome for request in await control.requests()] == ["rejected"]


@pytest.mark.parametrize(("header", "code"), [("", None), ("Bearer sk-wrong-key", "invalid_api_key")])
async def test_without_the_key_nothing_is_made(openai: httpx.AsyncClient, header: str, code: str | None) -> None:
    answer = await openai.post("/images/generations", json=GPT, headers={"Authorization": header})

    assert (answer.status_code, answer.json()["error"]["code"]) == (401, code)
    assert "sk-wrong-key" not in answer.text


async def test_an_edit_depends_on_its_picture_and_checks_its_mask(openai: httpx.AsyncClient) -> None:
    async def edit(**files: bytes) -> httpx.Response:
        return await openai.post("/images/edits", data=GPT, files=files)

    plain, grey = await edit(image=picture()), await edit(image=picture(mode="L"))
    masked = await edit(image=picture(), mask=picture(mode="RGBA"))
    opaque, small = (
        await edit(image=picture(), mask=picture()),
        await edit(image=picture(), mask=picture((8, 8), "RGBA")),
    )
    nothing, no_picture = await openai.post("/images/edits", data=GPT, files={"x": b""}), await edit(image=b"text")

    assert [answer.status_code for answer in (plain, grey, masked)] == [200] * 3
    assert len({answer.json()["data"][0]["b64_json"] for answer in (plain, grey, masked)}) == 3
    refused = [answer.json()["error"]["code"] for answer in (opaque, small, nothing, no_picture)]
    assert refused == ["invalid_mask", "invalid_mask", "unknown_parameter", "invalid_image"]


async def test_the_old_models_answer_with_a_url_and_vary_square_pngs(openai: httpx.AsyncClient) -> None:
    varied = await openai.post("/images/variations", files={"image": picture()}, data={"size": "256x256"})
    oblong = await openai.post("/images/variations", files={"image": picture((64, 32))})
    jpeg = await openai.post("/images/variations", files={"image": picture(file_format="JPEG")})

    fetched = await openai.get(varied.json()["data"][0]["url"])
    with Image.open(io.BytesIO(fetched.content)) as image:
        assert image.size == (256, 256)
    assert [answer.json()["error"]["code"] for answer in (oblong, jpeg)] == ["invalid_image", "invalid_image_format"]


@pytest.mark.parametrize(("sound", "magic"), [("mp3", b"\xff\xf3"), ("wav", b"RIFF")])
async def test_speech_is_a_sound_that_the_text_decides(openai: httpx.AsyncClient, sound: str, magic: bytes) -> None:
    body = {"model": "tts-1", "voice": "alloy", "input": "Once upon a time.", "response_format": sound}

    first, other = [
        await openai.post("/audio/speech", json=body | {"input": text}) for text in ("Once upon.", "A time.")
    ]
    long, voice = [
        await openai.post("/audio/speech", json=body | wrong) for wrong in ({"input": "a" * 4_097}, {"voice": "cedar"})
    ]

    assert first.content.startswith(magic) and first.content != other.content
    assert [answer.json()["error"]["code"] for answer in (long, voice)] == ["string_above_max_length", "invalid_value"]


async def test_texts_are_flagged_for_the_word_that_is_known_or_planned(
    openai: httpx.AsyncClient, control: Control
) -> None:
    texts = ["a lake", "some Simulated-Violence", "a red hill"]

    async def flags_of() -> list[bool]:
        answer = await openai.post("/moderations", json={"model": "omni-moderation-latest", "input": texts})
        return [result["flagged"] for result in answer.json()["results"]]

    await control.plan("openai", "refused", word="red")
    assert [await flags_of(), await flags_of()] == [[False, True, True], [False, True, False]]

    wrong = [await openai.post("/moderations", json=body) for body in ({}, {"input": [1]}, {"input": "a", "n": 1})]
    codes = [(answer.status_code, answer.json()["error"]["code"]) for answer in wrong]
    assert codes == [(400, "missing_required_parameter"), (400, "invalid_type"), (400, "unknown_parameter")]
