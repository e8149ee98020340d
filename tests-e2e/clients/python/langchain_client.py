"""LangChain's image tool (``OpenAIDALLEImageGenerationTool`` over ``DallEAPIWrapper``) with another ``base_url``."""

from typing import Any

import httpx
import openai
from langchain_community.tools.openai_dalle_image_generation import OpenAIDALLEImageGenerationTool
from langchain_community.utilities.dalle_image_generator import DallEAPIWrapper
from scenarios import BANNED, BASE, ORDER, PATIENCE_S, PLAIN, SLOW, SUCCEED, Simulating, play

KEY = SUCCEED | {"Idempotency-Key": "bicycle-1"}


def generate(api_key: str, prompt: str = PLAIN, headers: dict[str, str] | None = None, **options: Any) -> list[str]:
    """The format of what the tool's answer, lines of URLs, leads to."""
    wrapper = DallEAPIWrapper(model=ORDER["model"], base_url=BASE, api_key=api_key, default_headers=headers, **options)
    lines = OpenAIDALLEImageGenerationTool(api_wrapper=wrapper).invoke(prompt).splitlines()
    pictures = [httpx.get(line, trust_env=False).content for line in lines]
    return ["PNG" if picture.startswith(b"\x89PNG") else str(picture[:60]) for picture in pictures]


def retry(api_key: str) -> list[str]:
    """The first try fails. The wrapper is given a client: its ``http_client`` goes to a sync and an async one alike."""
    with Simulating("outcome=fail", "outcome=succeed") as http:
        return generate(api_key, client=openai.OpenAI(base_url=BASE, api_key=api_key, http_client=http).images)


def describe(error: Exception) -> object:
    """What its user sees of it."""
    status, code = getattr(error, "status_code", None), getattr(error, "code", None)
    return {"name": type(error).__name__, "status": status, "code": code}


play(
    {
        "create": lambda api_key: generate(api_key, headers=SUCCEED),
        "refusal": lambda api_key: generate(api_key, BANNED),
        "no_credits": lambda api_key: generate(api_key, headers=SUCCEED),
        "time_out": lambda api_key: generate(api_key, headers=SLOW, timeout=PATIENCE_S),
        "retry": retry,
        "key": lambda api_key: generate(api_key, headers=KEY) + generate(api_key, headers=KEY),
    },
    describe,
)
