"""The paths of OpenAI's API, and its authentication."""

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.datastructures import FormData

from atelier_provider_simulator import openai_errors, openai_images, openai_moderations, openai_speech
from atelier_provider_simulator.request_handler import ParsedRequest, RequestHandler

KEY = "sk-simulated-openai"
BASE_PATH = "/v1"


def add_routes(app: FastAPI, handler: RequestHandler, files: dict[str, bytes], key: str) -> None:
    def with_key_check(
        request: Request, read: Callable[[], Awaitable[ParsedRequest]]
    ) -> Callable[[], Awaitable[ParsedRequest]]:
        async def read_if_allowed() -> ParsedRequest:
            _check_key(request, key)
            return await read()

        return read_if_allowed

    @app.post("/v1/images/generations")
    async def generations(request: Request) -> Response:
        async def read() -> ParsedRequest:
            payload = await _json(request)
            return openai_images.parse_request(
                "generations", payload, openai_images.UploadedImages(), files, str(request.base_url)[:-1]
            )

        return await handler.serve("openai", request, with_key_check(request, read))

    @app.post("/v1/images/{endpoint}")
    async def uploads(endpoint: str, request: Request) -> Response:
        async def read() -> ParsedRequest:
            if endpoint not in ("edits", "variations"):
                raise openai_errors.provider_error(f"Invalid URL (POST /v1/images/{endpoint})", status=404)
            payload, uploaded = await _form(request)
            return openai_images.parse_request(endpoint, payload, uploaded, files, str(request.base_url)[:-1])

        return await handler.serve("openai", request, with_key_check(request, read))

    @app.post("/v1/audio/speech")
    async def speech(request: Request) -> Response:
        async def read() -> ParsedRequest:
            return openai_speech.parse_request(await _json(request))

        return await handler.serve("openai", request, with_key_check(request, read))

    @app.post("/v1/moderations")
    async def moderations(request: Request) -> Response:
        async def read() -> ParsedRequest:
            return openai_moderations.parse_request(await _json(request))

        return await handler.serve("openai", request, with_key_check(request, read))

    @app.get(openai_images.URL_PREFIX + "{name}")
    async def file(name: str) -> Response:
        data = files.get(name)
        return Response(status_code=404) if data is None else Response(data, media_type="image/png")


def _check_key(request: Request, key: str) -> None:
    """Raises ProviderError."""
    scheme, _, payload = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not payload:
        raise openai_errors.provider_error("You didn't provide an API key.", status=401)
    if not secrets.compare_digest(payload.encode(), key.encode()):
        shown = f"{payload[:3]}{'*' * 8}{payload[-4:]}"
        raise openai_errors.provider_error(f"Incorrect API key provided: {shown}.", code="invalid_api_key", status=401)


async def _json(request: Request) -> dict[str, Any]:
    """Raises ProviderError."""
    try:
        payload = json.loads(await request.body())
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise openai_errors.provider_error("We could not parse the JSON body of your request.")
    return payload


async def _form(request: Request) -> tuple[dict[str, Any], openai_images.UploadedImages]:
    """Fields and files. Raises ProviderError."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise openai_errors.provider_error("Invalid Content-Type: this endpoint takes multipart/form-data.")
    form: FormData = await request.form()
    fields, images, mask = dict[str, Any](), list[bytes](), None
    for name, value in form.multi_items():
        if isinstance(value, str):
            fields[name] = value
        elif name in ("image", "image[]"):
            images.append(await value.read())
        elif name == "mask":
            mask = await value.read()
        else:
            raise openai_errors.provider_error(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    return fields, openai_images.UploadedImages(tuple(images), mask)
