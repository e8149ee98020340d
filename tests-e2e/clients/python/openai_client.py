"""The stock openai-python client: its retries, its time-outs and its exceptions, with another base URL."""

import base64
from pathlib import Path
from typing import Any

import openai
from scenarios import BANNED, BASE, EDIT, ORDER, PATIENCE_S, PLAIN, SLOW, SUCCEED, Simulating, play

KEY = {"Idempotency-Key": "bicycle-1"}
PHOTO = Path(ORDER["photo"])


def client(api_key: str, headers: dict[str, str] | None = SUCCEED, **options: Any) -> openai.OpenAI:
    """As it comes."""
    return openai.OpenAI(base_url=BASE, api_key=api_key, default_headers=headers, **options)


def formats(made: Any) -> list[str]:
    """The format of each picture."""
    return [
        "PNG" if base64.b64decode(image.b64_json or "").startswith(b"\x89PNG") else str(image) for image in made.data
    ]


def generate(by: openai.OpenAI, prompt: str = PLAIN, headers: dict[str, str] | None = None) -> list[str]:
    """One picture from words."""
    return formats(by.images.generate(model=ORDER["model"], prompt=prompt, extra_headers=headers))


def edit(api_key: str) -> list[str]:
    """One picture from a picture and a mask."""
    return formats(client(api_key).images.edit(model=ORDER["model"], image=[PHOTO], mask=PHOTO, prompt=EDIT))


def retry(api_key: str) -> list[str]:
    """The first try fails."""
    with Simulating("outcome=fail", "outcome=succeed") as http:
        return generate(client(api_key, None, http_client=http))


def describe(error: Exception) -> object:
    """What its user sees of it."""
    status, code = getattr(error, "status_code", None), getattr(error, "code", None)
    return {"name": type(error).__name__, "status": status, "code": code}


play(
    {
        "create": lambda api_key: generate(client(api_key)),
        "edit": edit,
        "refusal": lambda api_key: generate(client(api_key, None), BANNED),
        "no_credits": lambda api_key: generate(client(api_key)),
        "time_out": lambda api_key: generate(client(api_key, SLOW, timeout=PATIENCE_S)),
        "retry": retry,
        "key": lambda api_key: generate(client(api_key), headers=KEY) + generate(client(api_key), headers=KEY),
    },
    describe,
)
