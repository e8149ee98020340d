"""Puts the simulator together: the two providers' paths, their authentication, and ``/_control``."""

import json
import secrets
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.datastructures import FormData

from atelier_provider_simulator import google_content, openai_errors, openai_images, openai_moderations, openai_speech
from atelier_provider_simulator.plans import Plan
from atelier_provider_simulator.request_handler import Asked, Desk

OPENAI_KEY = "sk-simulated-openai"
GOOGLE_KEY = "simulated-google"


def create_app(*, openai_key: str = OPENAI_KEY, google_key: str = GOOGLE_KEY) -> FastAPI:
    """The simulator as an ASGI application; each provider accepts its one key."""
    desk, files = Desk(), dict[str, bytes]()
    app = FastAPI(title="Simulated providers", docs_url=None, redoc_url=None, openapi_url=None)
    _add_control(app, desk, files)
    _add_openai(app, desk, files, openai_key)
    _add_google(app, desk, google_key)
    return app


def _add_control(app: FastAPI, desk: Desk, files: dict[str, bytes]) -> None:
    @app.get("/_control/health")
    async def health() -> dict[str, bool]:
        return {"ok": True}

    @app.post("/_control/plans", status_code=201)
    async def plan(plan: Plan) -> dict[str, int]:
        desk.plans.add(plan)
        return {"waiting": desk.plans.waiting()}

    @app.get("/_control/requests")
    async def requests() -> dict[str, Any]:
        return {"requests": [arrived.model_dump() for arrived in desk.plans.log], "planned": desk.plans.waiting()}

    @app.delete("/_control", status_code=204)
    async def forget() -> None:
        desk.forget()
        files.clear()


def _add_openai(app: FastAPI, desk: Desk, files: dict[str, bytes], key: str) -> None:
    def checked(request: Request, read: Callable[[], Awaitable[Asked]]) -> Callable[[], Awaitable[Asked]]:
        async def read_if_allowed() -> Asked:
            _check_openai_key(request, key)
            return await read()

        return read_if_allowed

    @app.post("/v1/images/generations")
    async def generations(request: Request) -> Response:
        async def read() -> Asked:
            given = await _openai_json(request)
            return openai_images.asked("generations", given, openai_images.Uploads(), files, str(request.base_url)[:-1])

        return await desk.serve("openai", request, checked(request, read))

    @app.post("/v1/images/{endpoint}")
    async def uploads(endpoint: str, request: Request) -> Response:
        async def read() -> Asked:
            if endpoint not in ("edits", "variations"):
                raise openai_errors.wrong(f"Invalid URL (POST /v1/images/{endpoint})", status=404)
            given, uploaded = await _openai_form(request)
            return openai_images.asked(endpoint, given, uploaded, files, str(request.base_url)[:-1])

        return await desk.serve("openai", request, checked(request, read))

    @app.post("/v1/audio/speech")
    async def speech(request: Request) -> Response:
        async def read() -> Asked:
            return openai_speech.asked(await _openai_json(request))

        return await desk.serve("openai", request, checked(request, read))

    @app.post("/v1/moderations")
    async def moderations(request: Request) -> Response:
        async def read() -> Asked:
            return openai_moderations.asked(await _openai_json(request))

        return await desk.serve("openai", request, checked(request, read))

    @app.get(openai_images.URL_PREFIX + "{name}")
    async def file(name: str) -> Response:
        data = files.get(name)
        return Response(status_code=404) if data is None else Response(data, media_type="image/png")


def _add_google(app: FastAPI, desk: Desk, key: str) -> None:
    @app.post("/{version}/models/{model}:{method}")
    async def generate(version: str, model: str, method: str, request: Request) -> Response:
        async def read() -> Asked:
            _check_google_key(request, key)
            if version not in ("v1", "v1beta"):
                raise google_content.wrong("The requested URL was not found.", status=404, word="NOT_FOUND")
            return google_content.asked(model, method, await request.body())

        return await desk.serve("google", request, read)


def _check_openai_key(request: Request, key: str) -> None:
    """Raises Wrong."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer" or not given:
        raise openai_errors.wrong("You didn't provide an API key.", status=401)
    if not secrets.compare_digest(given.encode(), key.encode()):
        shown = f"{given[:3]}{'*' * 8}{given[-4:]}"
        raise openai_errors.wrong(f"Incorrect API key provided: {shown}.", code="invalid_api_key", status=401)


def _check_google_key(request: Request, key: str) -> None:
    """Raises Wrong. The service answers 400 to a key that it does not know, and 403 to none."""
    given = request.headers.get("x-goog-api-key") or request.query_params.get("key")
    if not given:
        message = "Method doesn't allow unregistered callers (callers without established identity)."
        raise google_content.wrong(message, status=403, word="PERMISSION_DENIED")
    if not secrets.compare_digest(given.encode(), key.encode()):
        raise google_content.wrong("API key not valid. Please pass a valid API key.")


async def _openai_json(request: Request) -> dict[str, Any]:
    """Raises Wrong."""
    try:
        given = json.loads(await request.body())
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise openai_errors.wrong("We could not parse the JSON body of your request.")
    return given


async def _openai_form(request: Request) -> tuple[dict[str, Any], openai_images.Uploads]:
    """Fields and files. Raises Wrong."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise openai_errors.wrong("Invalid Content-Type: this endpoint takes multipart/form-data.")
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
            raise openai_errors.wrong(f"Unknown parameter: '{name}'.", name, "unknown_parameter")
    return fields, openai_images.Uploads(tuple(images), mask)
