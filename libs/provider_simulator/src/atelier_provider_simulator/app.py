"""Puts the simulator together: the two providers' paths, their authentication, and ``/_control``."""

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.datastructures import FormData

from atelier_provider_simulator import google_content, openai_errors, openai_images, openai_moderations, openai_speech
from atelier_provider_simulator.plans import Plan
from atelier_provider_simulator.request_handler import ParsedRequest, RequestHandler

OPENAI_KEY = "sk-simulated-openai"
GOOGLE_KEY = "simulated-google"


def create_app(*, openai_key: str = OPENAI_KEY, google_key: str = GOOGLE_KEY) -> FastAPI:
    """The simulator as an ASGI application; each provider accepts its one key."""
    handler, files = RequestHandler(), dict[str, bytes]()
    app = FastAPI(title="Simulated providers", docs_url=None, redoc_url=None, openapi_url=None)
    _add_control(app, handler, files)
    _add_openai(app, handler, files, openai_key)
    _add_google(app, handler, google_key)
    return app


def _add_control(app: FastAPI, handler: RequestHandler, files: dict[str, bytes]) -> None:
    @app.get("/_control/health")
    async def health() -> dict[str, bool]:
        return {"ok": True}

    @app.post("/_control/plans", status_code=201)
    async def plan(plan: Plan) -> dict[str, int]:
        handler.plans.add(plan)
        return {"waiting": handler.plans.count_pending()}

    @app.get("/_control/requests")
    async def requests() -> dict[str, Any]:
        return {
            "requests": [received.model_dump() for received in handler.plans.log],
            "planned": handler.plans.count_pending(),
        }

    @app.delete("/_control", status_code=204)
    async def forget() -> None:
        handler.forget()
        files.clear()


def _add_openai(app: FastAPI, handler: RequestHandler, files: dict[str, bytes], key: str) -> None:
    def with_key_check(
        request: Request, read: Callable[[], Awaitable[ParsedRequest]]
    ) -> Callable[[], Awaitable[ParsedRequest]]:
        async def read_if_allowed() -> ParsedRequest:
            _check_openai_key(request, key)
            return await read()

        return read_if_allowed

    @app.post("/v1/images/generations")
    async def generations(request: Request) -> Response:
        async def read() -> ParsedRequest:
            payload = await _openai_json(request)
            return openai_images.parse_request(
                "generations", payload, openai_images.UploadedImages(), files, str(request.base_url)[:-1]
            )

        return await handler.serve("openai", request, with_key_check(request, read))

    @app.post("/v1/images/{endpoint}")
    async def uploads(endpoint: str, request: Request) -> Response:
        async def read() -> ParsedRequest:
            if endpoint not in ("edits", "variations"):
                raise openai_errors.provider_error(f"Invalid URL (POST /v1/images/{endpoint})", status=404)
            payload, uploaded = await _openai_form(request)
            return openai_images.parse_request(endpoint, payload, uploaded, files, str(request.base_url)[:-1])

        return await handler.serve("openai", request, with_key_check(request, read))

    @app.post("/v1/audio/speech")
    async def speech(request: Request) -> Response:
        async def read() -> ParsedRequest:
            return openai_speech.parse_request(await _openai_json(request))

        return await handler.serve("openai", request, with_key_check(request, read))

    @app.post("/v1/moderations")
    async def moderations(request: Request) -> Response:
        async def read() -> ParsedRequest:
            return openai_moderations.parse_request(await _openai_json(request))

        return await handler.serve("openai", request, with_key_check(request, read))

    @app.get(openai_images.URL_PREFIX + "{name}")
    async def file(name: str) -> Response:
        data = files.get(name)
        return Response(status_code=404) if data is None else Response(data, media_type="image/png")


def _add_google(app: FastAPI, handler: RequestHandler, key: str) -> None:
    @app.post("/{version}/models/{model}:{method}")
    async def generate(version: str, model: str, method: str, request: Request) -> Response:
        async def read() -> ParsedRequest:
            _check_google_key(request, key)
            if version not in ("v1", "v1beta"):
                raise google_content.provider_error("The requested URL was not found.", status=404, word="NOT_FOUND")
            return google_content.parse_request(model, method, await request.body())

        return await handler.serve("google", request, read)


def _check_openai_key(request: Request, key: str) -> None:
    """Raises ProviderError."""
    scheme, _, payload = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not payload:
        raise openai_errors.provider_error("You didn't provide an API key.", status=401)
    if not secrets.compare_digest(payload.encode(), key.encode()):
        shown = f"{payload[:3]}{'*' * 8}{payload[-4:]}"
        raise openai_errors.provider_error(f"Incorrect API key provided: {shown}.", code="invalid_api_key", status=401)


def _check_google_key(request: Request, key: str) -> None:
    """Raises ProviderError. The service answers 400 to a key that it does not know, and 403 to none."""
    payload = request.headers.get("x-goog-api-key") or request.query_params.get("key")
    if not payload:
        message = "Method doesn't allow unregistered callers (callers without established identity)."
        raise google_content.provider_error(message, status=403, word="PERMISSION_DENIED")
    if not secrets.compare_digest(payload.encode(), key.encode()):
        raise google_content.provider_error("API key not valid. Please pass a valid API key.")


async def _openai_json(request: Request) -> dict[str, Any]:
    """Raises ProviderError."""
    try:
        payload = json.loads(await request.body())
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise openai_errors.provider_error("We could not parse the JSON body of your request.")
    return payload


async def _openai_form(request: Request) -> tuple[dict[str, Any], openai_images.UploadedImages]:
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
