"""LiteLLM's image calls with nothing changed but ``api_base``."""

import base64
from pathlib import Path
from typing import Any

import litellm
import openai
from scenarios import BANNED, BASE, EDIT, ORDER, PATIENCE_S, PLAIN, SLOW, SUCCEED, Simulating, play

litellm.suppress_debug_info = True
MODEL = f"openai/{ORDER['model']}"
PHOTO = Path(ORDER["photo"])
KEY = SUCCEED | {"Idempotency-Key": "bicycle-1"}


def formats(made: Any) -> list[str]:
    """The format of each picture."""
    return [
        "PNG" if base64.b64decode(image.b64_json or "").startswith(b"\x89PNG") else str(image) for image in made.data
    ]


def generate(api_key: str, prompt: str = PLAIN, headers: dict[str, str] | None = None, **options: Any) -> list[str]:
    """One picture from words."""
    return formats(
        litellm.image_generation(model=MODEL, prompt=prompt, api_base=BASE, api_key=api_key, headers=headers, **options)
    )


def edit(api_key: str, headers: dict[str, str], prompt: str = EDIT, **options: Any) -> list[str]:
    """One picture from a picture and a mask."""
    with PHOTO.open("rb") as image, PHOTO.open("rb") as mask:
        made = litellm.image_edit(
            model=MODEL,
            image=image,
            mask=mask,
            prompt=prompt,
            api_base=BASE,
            api_key=api_key,
            extra_headers=headers,
            **options,
        )
    return formats(made)


def retry(api_key: str) -> list[str]:
    """The first try fails; LiteLLM leaves tries to the openai client that it is given."""
    with Simulating("outcome=fail", "outcome=succeed") as http:
        return generate(api_key, client=openai.OpenAI(base_url=BASE, api_key=api_key, http_client=http))


def describe(error: Exception) -> object:
    """What its user sees of it."""
    status, code = getattr(error, "status_code", None), getattr(error, "code", None)
    return {"name": type(error).__name__, "status": status, "code": code}


play(
    {
        "create": lambda api_key: generate(api_key, headers=SUCCEED),
        "edit": lambda api_key: edit(api_key, SUCCEED),
        "refusal": lambda api_key: generate(api_key, BANNED),
        "edit_refusal": lambda api_key: edit(api_key, {}, BANNED),
        "no_credits": lambda api_key: generate(api_key, headers=SUCCEED),
        "time_out": lambda api_key: generate(api_key, headers=SLOW, timeout=PATIENCE_S),
        "edit_time_out": lambda api_key: edit(api_key, SLOW, timeout=PATIENCE_S),
        "retry": retry,
        "key": lambda api_key: generate(api_key, headers=KEY) + generate(api_key, headers=KEY),
    },
    describe,
)
