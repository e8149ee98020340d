"""The API of Black Forest Labs: a task is submitted to a model, polled by its id, and its picture lies at a URL."""

import base64
import binascii
import json
import secrets
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.responses import JSONResponse

from atelier_provider_simulator.pictures import describe_upload, open_picture
from atelier_provider_simulator.plans import Plan, PlannedOutcome
from atelier_provider_simulator.request_handler import ParsedRequest, ProviderError, RequestHandler
from atelier_provider_simulator.result_queue import QueuedResult, draw_planned, ready_at

KEY = "bfl_simulated"
BASE_PATH = "/bfl"
MODELS = ("flux-2-pro", "flux-2-max", "flux-2-flex", "flux-2-klein-9b", "flux-2-klein-4b")
INPUTS = ("input_image", *(f"input_image_{number}" for number in range(2, 9)))
KEYS = {"prompt", "width", "height", "seed", "safety_tolerance", "output_format", "prompt_upsampling", *INPUTS}
SIDE_MULTIPLE, SIDE_MIN, PIXELS_MAX = 16, 64, 4_194_304
CREDITS = 3.0
MODERATED = "Content Moderated"


def add_routes(app: FastAPI, handler: RequestHandler, files: dict[str, bytes], key: str) -> None:
    results: dict[str, QueuedResult] = {}

    @app.post(BASE_PATH + "/v1/{model}")
    async def submit(model: str, request: Request) -> Response:
        async def read() -> ParsedRequest:
            _check_key(request, key)
            return _parse(model, await request.body(), results, files, _base_url(request))

        return await handler.serve("bfl", request, read)

    @app.get(BASE_PATH + "/v1/get_result")
    async def get_result(id: str, request: Request) -> Response:
        try:
            _check_key(request, key)
        except ProviderError as error:
            return error.answer
        found = results.get(id)
        if found is None:
            return JSONResponse({"id": id, "status": "Task not found", "result": None})
        far = found.look()
        if far < 2:
            return JSONResponse({"id": id, "status": "Pending", "result": None, "progress": far / 2})
        if found.error:
            details = {"Moderation Reasons": ["Safety Filter"]}
            return JSONResponse({"id": id, "status": found.error, "result": None, "details": details})
        url = f"{_base_url(request)}/files/{found.picture}"
        return JSONResponse({"id": id, "status": "Ready", "result": {"sample": url, "seed": 1}, "cost": CREDITS})

    @app.get(BASE_PATH + "/files/{name}")
    async def file(name: str) -> Response:
        data = files.get(name)
        return Response(status_code=404) if data is None else Response(data, media_type="image/png")


def _parse(
    model: str, body: bytes, results: dict[str, QueuedResult], files: dict[str, bytes], base_url: str
) -> ParsedRequest:
    """The request, checked as the API checks it. Raises ProviderError."""
    if model not in MODELS:
        raise ProviderError(JSONResponse({"detail": "Not Found"}, 404))
    payload = _json(body)
    pictures = [_picture(payload[name], name) for name in INPUTS if name in payload]
    size = _size(payload)
    file_format = payload.get("output_format", "jpeg")
    if file_format not in ("jpeg", "png"):
        raise _objection("output_format", "Input should be 'jpeg' or 'png'")
    seeds = [model.encode(), str(payload.get("prompt")).encode(), str(payload.get("seed")).encode(), *pictures]

    def take(found: QueuedResult) -> Response:
        results[found.id] = found
        said = {"id": found.id, "polling_url": f"{base_url}/v1/get_result?id={found.id}"}
        return JSONResponse(said | {"cost": CREDITS, "input_mp": 0.0, "output_mp": 1.0})

    def make(planned: PlannedOutcome, count: int) -> Response:
        found = QueuedResult(model, ready_at(planned), size=size)
        if count == 0:
            found.error = MODERATED
        else:
            found.picture = f"{found.id}.{file_format}"
            files[found.picture] = draw_planned(planned, size, file_format, seeds)
        return take(found)

    def decline(plan: Plan) -> Response:
        match plan.outcome:
            case "rate_limited":
                after_s = 1.0 if plan.retry_after_s is None else plan.retry_after_s
                headers = {"retry-after": f"{after_s:g}"}
                return JSONResponse({"detail": "Too many requests"}, 429, headers=headers)
            case "out_of_quota":
                return JSONResponse({"detail": "Insufficient credits"}, 402)
            case "server_error":
                return JSONResponse({"detail": "Internal Server Error"}, plan.status or 500)
            case _:
                return take(QueuedResult(model, ready_at(PlannedOutcome(plan, None)), error="Request Moderated"))

    return ParsedRequest(
        model, 1, make, decline, uploads=tuple(describe_upload(each, "image") for each in pictures), queues=True
    )


def _base_url(request: Request) -> str:
    return f"{str(request.base_url)[:-1]}{BASE_PATH}"


def _check_key(request: Request, key: str) -> None:
    """Raises ProviderError."""
    if not secrets.compare_digest(request.headers.get("x-key", "").encode(), key.encode()):
        raise ProviderError(JSONResponse({"detail": "Not authenticated"}, 403))


def _json(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except ValueError:
        payload = None
    if not isinstance(payload, dict) or not payload.get("prompt"):
        raise _objection("prompt", "Field required")
    for name in payload:
        if name not in KEYS:
            raise _objection(name, "Extra inputs are not permitted")
    return payload


def _picture(text: object, name: str) -> bytes:
    try:
        data = base64.b64decode(str(text), validate=True)
        open_picture(data)
    except (ValueError, binascii.Error):
        raise _objection(name, "Invalid image") from None
    return data


def _size(payload: dict[str, Any]) -> tuple[int, int]:
    width, height = payload.get("width", 1024), payload.get("height", 1024)
    for name, side in (("width", width), ("height", height)):
        if not isinstance(side, int) or side < SIDE_MIN or side % SIDE_MULTIPLE:
            raise _objection(name, f"Input should be a multiple of {SIDE_MULTIPLE} from {SIDE_MIN} on")
    if width * height > PIXELS_MAX:
        raise _objection("width", "The picture may have 4 megapixels")
    return width, height


def _objection(name: str, words: str) -> ProviderError:
    error = {"type": "value_error", "loc": ["body", name], "msg": words}
    return ProviderError(JSONResponse({"detail": [error]}, 422))
