"""fal's queue: a request is taken under an id, followed by it, and its result lies at a URL.

Status, result and cancellation are at the owner and the app, without the path of the endpoint, as at fal.
"""

import base64
import binascii
import json
import secrets
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.responses import JSONResponse

from atelier_provider_simulator.pictures import describe_upload, draw_mosaic
from atelier_provider_simulator.plans import Plan, PlannedOutcome
from atelier_provider_simulator.request_handler import ParsedRequest, ProviderError, RequestHandler
from atelier_provider_simulator.result_queue import QueuedResult, draw_planned, ready_at

KEY = "simulated-fal-id:simulated-fal-secret"
BASE_PATH = "/fal"
IMAGE_MODELS = ("fal-ai/flux-2-pro", "fal-ai/flux-2-max", "fal-ai/flux-2-flex", "fal-ai/flux-2")
TRY_ON_MODEL, TRY_ON_SIZE = "fal-ai/fashn/tryon/v1.6", (864, 1296)
IMAGE_KEYS = {"prompt", "image_size", "seed", "output_format", "safety_tolerance", "enable_safety_checker", "sync_mode"}
TRY_ON_KEYS = {"model_image", "garment_image", "category", "mode", "garment_photo_type", "seed", "output_format"}
TRY_ON_KEYS |= {"moderation_level", "num_samples", "segmentation_free", "sync_mode"}
PICTURES_MAX = 9
ERRORS_URL = "https://docs.fal.ai/errors/#"


def add_routes(app: FastAPI, handler: RequestHandler, files: dict[str, bytes], key: str) -> None:
    results: dict[str, QueuedResult] = {}

    @app.post(BASE_PATH + "/{owner}/{app_path:path}")
    async def submit(owner: str, app_path: str, request: Request) -> Response:
        async def read() -> ParsedRequest:
            _check_key(request, key)
            return _parse(f"{owner}/{app_path}", await request.body(), results, files, _base_url(request))

        return await handler.serve("fal", request, read)

    @app.get(BASE_PATH + "/{owner}/{alias}/requests/{request_id}/status")
    async def status(owner: str, alias: str, request_id: str, request: Request) -> Response:
        found = _found(results, owner, alias, request_id, request, key)
        if isinstance(found, Response):
            return found
        urls = _urls(found, _base_url(request))
        far = found.look()
        if far == 0:
            body: dict[str, Any] = {"status": "IN_QUEUE", "queue_position": 0}
        elif far == 1:
            body = {"status": "IN_PROGRESS", "logs": None}
        else:
            body = {"status": "COMPLETED", "logs": None, "metrics": {"inference_time": 1.25}}
        code = 200 if body["status"] == "COMPLETED" else 202
        return JSONResponse(body | urls, code, headers={"x-fal-request-id": found.id})

    @app.get(BASE_PATH + "/{owner}/{alias}/requests/{request_id}")
    async def result(owner: str, alias: str, request_id: str, request: Request) -> Response:
        found = _found(results, owner, alias, request_id, request, key)
        return found if isinstance(found, Response) else _result(found, _base_url(request))

    @app.put(BASE_PATH + "/{owner}/{alias}/requests/{request_id}/cancel")
    async def cancel(owner: str, alias: str, request_id: str, request: Request) -> Response:
        found = _found(results, owner, alias, request_id, request, key)
        if isinstance(found, Response):
            return found
        if found.is_ended:
            return JSONResponse({"status": "ALREADY_COMPLETED"}, 400)
        found.is_cancelled = True
        handler.plans.cancelled.append(found.id)
        return JSONResponse({"status": "CANCELLATION_REQUESTED"}, 202)

    @app.get(BASE_PATH + "/files/{name}")
    async def file(name: str) -> Response:
        data = files.get(name)
        return Response(status_code=404) if data is None else Response(data, media_type="image/png")


def _parse(
    endpoint: str, body: bytes, results: dict[str, QueuedResult], files: dict[str, bytes], base_url: str
) -> ParsedRequest:
    """The request, checked as fal checks it. Raises ProviderError."""
    model, edits = endpoint.removesuffix("/edit"), endpoint.endswith("/edit")
    if model not in IMAGE_MODELS and endpoint != TRY_ON_MODEL:
        raise ProviderError(JSONResponse({"detail": f'Application "{endpoint}" not found'}, 404))
    payload = _json(body)
    pictures = _try_on_pictures(payload) if endpoint == TRY_ON_MODEL else _edit_pictures(payload, edits=edits)
    _refuse_unknown(payload, TRY_ON_KEYS if endpoint == TRY_ON_MODEL else IMAGE_KEYS | {"image_urls"})
    size = TRY_ON_SIZE if endpoint == TRY_ON_MODEL else _size(payload)
    file_format = payload.get("output_format", "jpeg")
    if file_format not in ("jpeg", "png"):
        raise _objection(["body", "output_format"], "Input should be 'jpeg' or 'png'", "literal_error")
    seeds = [endpoint.encode(), str(payload.get("prompt")).encode(), str(payload.get("seed")).encode(), *pictures]

    def take(found: QueuedResult) -> Response:
        results[found.id] = found
        body = {"status": "IN_QUEUE", "request_id": found.id, "queue_position": 0}
        return JSONResponse(body | _urls(found, base_url))

    def make(planned: PlannedOutcome, count: int) -> Response:
        found = QueuedResult(endpoint, ready_at(planned), size=size, extra={"flagged": count == 0})
        found.picture = f"{found.id}.{file_format}"
        black = count == 0
        files[found.picture] = (
            draw_mosaic((64, 64), "png", b"black") if black else draw_planned(planned, size, file_format, seeds)
        )
        return take(found)

    def decline(plan: Plan) -> Response:
        match plan.outcome:
            case "rate_limited":
                after_s = 1.0 if plan.retry_after_s is None else plan.retry_after_s
                return JSONResponse({"detail": "Too many requests"}, 429, headers={"retry-after": f"{after_s:g}"})
            case "out_of_quota":
                words = "User is locked. Reason: Exhausted balance. Top up your balance at fal.ai/dashboard/billing."
                return JSONResponse({"detail": words}, 403)
            case "server_error":
                body = {"detail": "Internal error", "error_type": "internal_error"}
                return JSONResponse(body, plan.status or 500, headers={"x-fal-error-type": "internal_error"})
            case _:
                return take(QueuedResult(endpoint, ready_at(PlannedOutcome(plan, None)), error="refused"))

    return ParsedRequest(
        model, 1, make, decline, uploads=tuple(describe_upload(each, "image") for each in pictures), queues=True
    )


def _result(found: QueuedResult, base_url: str) -> Response:
    headers = {"x-fal-request-id": found.id}
    if found.is_cancelled:
        said = {"detail": "Request was cancelled by the client", "error_type": "client_cancelled"}
        return JSONResponse(said, 499, headers=headers | {"x-fal-error-type": "client_cancelled"})
    if not found.is_ended:
        return JSONResponse({"detail": "Request is still in progress"}, 400, headers=headers)
    if found.error:
        words = "The content could not be processed because it contained material flagged by a content checker."
        return _errors(["body", "prompt"], words, "content_policy_violation", headers | {"x-fal-billable-units": "0"})
    width, height = found.size
    image = {"url": f"{base_url}/files/{found.picture}", "width": width, "height": height}
    image |= {"content_type": "image/png", "file_name": found.picture}
    body = {"images": [image], "seed": 1, "has_nsfw_concepts": [bool(found.extra.get("flagged"))]}
    return JSONResponse(body, headers=headers | {"x-fal-billable-units": f"{width * height / 1_000_000:.3f}"})


def _found(
    results: dict[str, QueuedResult], owner: str, alias: str, request_id: str, request: Request, key: str
) -> QueuedResult | Response:
    try:
        _check_key(request, key)
    except ProviderError as error:
        return error.answer
    found = results.get(request_id)
    if found is None or not found.endpoint.startswith(f"{owner}/{alias}"):
        return JSONResponse({"detail": "Request not found"}, 404)
    return found


def _base_url(request: Request) -> str:
    return f"{str(request.base_url)[:-1]}{BASE_PATH}"


def _urls(found: QueuedResult, base_url: str) -> dict[str, str]:
    owner, alias = found.endpoint.split("/")[:2]
    url = f"{base_url}/{owner}/{alias}/requests/{found.id}"
    return {"response_url": url, "status_url": f"{url}/status", "cancel_url": f"{url}/cancel"}


def _check_key(request: Request, key: str) -> None:
    """Raises ProviderError."""
    scheme, _, payload = request.headers.get("authorization", "").partition(" ")
    if scheme != "Key" or not payload:
        raise ProviderError(JSONResponse({"detail": "Authentication is required to access this application."}, 401))
    if not secrets.compare_digest(payload.encode(), key.encode()):
        raise ProviderError(JSONResponse({"detail": "Cannot access application. Authentication failed."}, 401))


def _json(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise _objection(["body"], "Input should be a valid dictionary", "model_attributes_type")
    return payload


def _refuse_unknown(payload: dict[str, Any], known: set[str]) -> None:
    """Many of fal's models pass over what they do not know; here a slip of the pen is to be found."""
    for name in payload:
        if name not in known:
            raise _objection(["body", name], "Extra inputs are not permitted", "extra_forbidden")


def _edit_pictures(payload: dict[str, Any], *, edits: bool) -> list[bytes]:
    if not isinstance(payload.get("prompt"), str) or not payload["prompt"]:
        raise _objection(["body", "prompt"], "Field required", "missing")
    given = payload.get("image_urls")
    if not edits:
        if given is not None:
            raise _objection(["body", "image_urls"], "Extra inputs are not permitted", "extra_forbidden")
        return []
    if not isinstance(given, list) or not 1 <= len(given) <= PICTURES_MAX:
        raise _objection(["body", "image_urls"], f"List should have 1 to {PICTURES_MAX} items", "too_long")
    return [_picture(uri, "image_urls") for uri in given]


def _try_on_pictures(payload: dict[str, Any]) -> list[bytes]:
    for name in ("model_image", "garment_image"):
        if name not in payload:
            raise _objection(["body", name], "Field required", "missing")
    return [_picture(payload[name], name) for name in ("model_image", "garment_image")]


def _picture(uri: object, name: str) -> bytes:
    head, _, text = str(uri).partition(",")
    try:
        if not head.startswith("data:image/"):
            raise ValueError(head)
        data = base64.b64decode(text, validate=True)
        describe_upload(data, "image")
    except (ValueError, binascii.Error):
        raise _objection(["body", name], "Failed to load the image.", "image_load_error") from None
    return data


def _size(payload: dict[str, Any]) -> tuple[int, int]:
    size = payload.get("image_size", {"width": 1024, "height": 768})
    width, height = (size.get("width"), size.get("height")) if isinstance(size, dict) else (None, None)
    if (
        not isinstance(width, int)
        or not isinstance(height, int)
        or not all(256 <= side <= 2_048 for side in (width, height))
    ):
        raise _objection(["body", "image_size"], "Input should be a size of 256 to 2048 pixels a side", "value_error")
    return width, height


def _errors(place: list[str], words: str, kind: str, headers: dict[str, str]) -> Response:
    error = {"loc": place, "msg": words, "type": kind, "url": f"{ERRORS_URL}{kind}"}
    return JSONResponse({"detail": [error]}, 422, headers=headers | {"x-fal-retryable": "false"})


def _objection(place: list[str], words: str, kind: str) -> ProviderError:
    return ProviderError(_errors(place, words, kind, {}))
