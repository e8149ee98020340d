"""Replicate's API: a prediction of a model is created, polled by its id, and its output lies at a URL."""

import base64
import binascii
import hashlib
import json
import secrets
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.datastructures import UploadFile
from starlette.responses import JSONResponse

from atelier_provider_simulator.pictures import describe_upload, open_picture
from atelier_provider_simulator.plans import Plan, PlannedOutcome
from atelier_provider_simulator.request_handler import ParsedRequest, ProviderError, RequestHandler
from atelier_provider_simulator.result_queue import QueuedResult, draw_planned, ready_at

KEY = "r8_simulated_replicate"
BASE_PATH = "/replicate"
IMAGE_MODELS = ("black-forest-labs/flux-2-pro", "black-forest-labs/flux-2-max", "black-forest-labs/flux-2-flex")
TRY_ON_MODEL = "prunaai/p-image-try-on"
IMAGE_KEYS = {"prompt", "input_images", "aspect_ratio", "resolution", "width", "height", "seed", "safety_tolerance"}
IMAGE_KEYS |= {"output_format", "output_quality"}
TRY_ON_KEYS = {"person_image", "garment_images", "reference_pose", "prompt", "turbo", "seed", "preserve_input_size"}
TRY_ON_KEYS |= {"output_format", "output_quality", "no_op"}
PICTURES_MAX, SIDE_MULTIPLE = 8, 32
DATA_URI_BYTES_MAX = 256 * 1024
FORMATS = {"png": "png", "jpg": "jpeg", "webp": "webp"}
STATUSES = ("starting", "processing", "succeeded")
PREDICT_S = 2.5
FLAGGED = "The input or output was flagged as sensitive. Please try again with different inputs. (E005) (simulated)"


def add_routes(app: FastAPI, handler: RequestHandler, files: dict[str, bytes], key: str) -> None:
    results: dict[str, QueuedResult] = {}

    @app.post(BASE_PATH + "/v1/models/{owner}/{name}/predictions")
    async def create(owner: str, name: str, request: Request) -> Response:
        async def read() -> ParsedRequest:
            _check_key(request, key)
            return _parse(f"{owner}/{name}", await request.body(), results, files, _base_url(request))

        return await handler.serve("replicate", request, read)

    @app.get(BASE_PATH + "/v1/predictions/{prediction_id}")
    async def look(prediction_id: str, request: Request) -> Response:
        found = _found(results, prediction_id, request, key)
        if isinstance(found, Response):
            return found
        found.look()
        return JSONResponse(_prediction(found, _base_url(request)))

    @app.post(BASE_PATH + "/v1/predictions/{prediction_id}/cancel")
    async def cancel(prediction_id: str, request: Request) -> Response:
        found = _found(results, prediction_id, request, key)
        if isinstance(found, Response):
            return found
        if not found.is_ended:
            found.is_cancelled = found.is_ended = True
            handler.plans.cancelled.append(found.id)
        return JSONResponse(_prediction(found, _base_url(request)))

    _add_files(app, files, key)


def _add_files(app: FastAPI, files: dict[str, bytes], key: str) -> None:
    """Uploads, and the files that are served by URL."""

    @app.post(BASE_PATH + "/v1/files")
    async def upload(request: Request) -> Response:
        try:
            _check_key(request, key)
        except ProviderError as error:
            return error.answer
        form = await request.form()
        content = form.get("content")
        if not isinstance(content, UploadFile):
            return _problem(400, "Bad request", "Missing content")
        data, id = await content.read(), f"F{secrets.token_hex(12)}"
        files[id] = data
        said: dict[str, Any] = {"id": id, "name": content.filename, "content_type": content.content_type}
        said |= {"size": len(data), "etag": id, "metadata": {}}
        said |= {"checksums": {"sha256": hashlib.sha256(data).hexdigest()}}
        said |= {"created_at": "2026-11-30T12:00:00Z", "expires_at": "2026-12-01T12:00:00Z"}
        return JSONResponse(said | {"urls": {"get": f"{_base_url(request)}/v1/files/{id}"}}, 201)

    @app.get(BASE_PATH + "/files/{name}")
    async def file(name: str) -> Response:
        data = files.get(name)
        return Response(status_code=404) if data is None else Response(data, media_type="image/png")


def _parse(
    model: str, body: bytes, results: dict[str, QueuedResult], files: dict[str, bytes], base_url: str
) -> ParsedRequest:
    """The request, checked as Replicate checks it against the model's schema. Raises ProviderError."""
    if model not in (*IMAGE_MODELS, TRY_ON_MODEL):
        raise ProviderError(_problem(404, "Not found", "The requested resource could not be found."))
    given = _input(body)
    is_try_on = model == TRY_ON_MODEL
    for name in given:
        if name not in (TRY_ON_KEYS if is_try_on else IMAGE_KEYS):
            raise _objection(name, "Additional property is not allowed")
    pictures = _pictures(given, is_try_on, files, base_url)
    size = open_picture(pictures[0]).size if is_try_on else _size(given)
    file_format = FORMATS.get(given.get("output_format", "webp"))
    if file_format is None:
        raise _objection("output_format", f"output_format must be one of {', '.join(FORMATS)}")
    seeds = [model.encode(), str(given.get("prompt")).encode(), str(given.get("seed")).encode(), *pictures]

    def take(found: QueuedResult) -> Response:
        results[found.id] = found
        return JSONResponse(_prediction(found, base_url), 201)

    def make(planned: PlannedOutcome, count: int) -> Response:
        found = QueuedResult(model, ready_at(planned), size=size, id=secrets.token_hex(13))
        if count == 0:
            found.error = FLAGGED
        else:
            found.picture = f"{found.id}.{file_format}"
            files[found.picture] = draw_planned(planned, size, file_format, seeds)
        return take(found)

    def decline(plan: Plan) -> Response:
        match plan.outcome:
            case "rate_limited":
                after_s = 1.0 if plan.retry_after_s is None else plan.retry_after_s
                return JSONResponse(
                    {"detail": f"Request was throttled. Your rate limit resets in ~{after_s:g}s.", "status": 429}, 429
                )
            case "out_of_quota":
                return _problem(402, "Insufficient credit", "You have insufficient credit to run this model.")
            case "server_error":
                return _problem(plan.status or 500, "Internal server error", "An internal error has occurred.")
            case _:
                return take(QueuedResult(model, ready_at(PlannedOutcome(plan, None)), error=FLAGGED))

    return ParsedRequest(
        model, 1, make, decline, uploads=tuple(describe_upload(each, "image") for each in pictures), queues=True
    )


def _prediction(found: QueuedResult, base_url: str) -> dict[str, Any]:
    """The prediction as it is now; input and logs are left empty."""
    far = 2 if found.is_ended else max(found.looks - 1, 0)
    status = STATUSES[far]
    if far == 2:
        status = "canceled" if found.is_cancelled else "failed" if found.error else "succeeded"
    made = status == "succeeded" and found.picture
    url = f"{base_url}/v1/predictions/{found.id}"
    said: dict[str, Any] = {"id": found.id, "model": found.endpoint, "version": "hidden", "input": {}, "logs": ""}
    said |= {"output": f"{base_url}/files/{found.picture}" if made else None, "data_removed": False, "source": "api"}
    said |= {"error": found.error if status == "failed" else None, "status": status, "metrics": {}}
    said |= {"created_at": "2026-11-30T12:00:00Z", "urls": {"get": url, "cancel": f"{url}/cancel", "web": url}}
    if far == 2:
        said |= {"metrics": {"predict_time": PREDICT_S, "total_time": PREDICT_S + 1}}
        said |= {"started_at": "2026-11-30T12:00:01Z", "completed_at": "2026-11-30T12:00:04Z"}
    return said


def _found(results: dict[str, QueuedResult], id: str, request: Request, key: str) -> QueuedResult | Response:
    try:
        _check_key(request, key)
    except ProviderError as error:
        return error.answer
    missing = _problem(404, "Not found", "The requested resource could not be found.")
    return results.get(id) or missing


def _base_url(request: Request) -> str:
    return f"{str(request.base_url)[:-1]}{BASE_PATH}"


def _check_key(request: Request, key: str) -> None:
    """Raises ProviderError."""
    scheme, _, payload = request.headers.get("authorization", "").partition(" ")
    if scheme not in ("Bearer", "Token") or not secrets.compare_digest(payload.encode(), key.encode()):
        words = "You did not pass a valid authentication token"
        raise ProviderError(_problem(401, "Unauthenticated", words))


def _input(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except ValueError:
        payload = None
    given = payload.get("input") if isinstance(payload, dict) else None
    if not isinstance(given, dict):
        raise _objection("input", "input is required")
    return given


def _pictures(given: dict[str, Any], is_try_on: bool, files: dict[str, bytes], base_url: str) -> list[bytes]:
    if is_try_on:
        if not given.get("person_image") or not given.get("garment_images"):
            raise _objection("person_image", "person_image and garment_images are required")
        return [_picture(each, files, base_url) for each in (given["person_image"], *given["garment_images"])]
    if not given.get("prompt"):
        raise _objection("prompt", "prompt is required")
    listed = given.get("input_images", [])
    if not isinstance(listed, list) or len(listed) > PICTURES_MAX:
        raise _objection("input_images", f"input_images: at most {PICTURES_MAX} items")
    return [_picture(each, files, base_url) for each in listed]


def _picture(uri: object, files: dict[str, bytes], base_url: str) -> bytes:
    """The picture of a data URI, or of a file that was uploaded."""
    text = str(uri)
    uploads = f"{base_url}/v1/files/"
    try:
        if text.startswith(uploads):
            data = files[text.removeprefix(uploads)]
        else:
            head, _, encoded = text.partition(",")
            if not head.startswith("data:image/"):
                raise ValueError(head)
            data = base64.b64decode(encoded, validate=True)
            if len(data) > DATA_URI_BYTES_MAX:
                raise ValueError("too large for a data URI")
        open_picture(data)
    except (KeyError, ValueError, binascii.Error):
        raise _objection("input_images", "Does not match format 'uri'") from None
    return data


def _size(given: dict[str, Any]) -> tuple[int, int]:
    if given.get("aspect_ratio", "1:1") != "custom":
        return 1024, 1024
    width, height = given.get("width"), given.get("height")
    for name, side in (("width", width), ("height", height)):
        if not isinstance(side, int) or not 256 <= side <= 2_048:
            raise _objection(name, "Must be greater than or equal to 256 and less than or equal to 2048")
    assert isinstance(width, int) and isinstance(height, int)
    return width // SIDE_MULTIPLE * SIDE_MULTIPLE, height // SIDE_MULTIPLE * SIDE_MULTIPLE


def _problem(status: int, title: str, detail: str) -> Response:
    return JSONResponse({"title": title, "detail": detail, "status": status}, status)


def _objection(name: str, words: str) -> ProviderError:
    fields = [{"type": "invalid", "field": f"input.{name}", "description": words}]
    body = {"title": "Input validation failed", "detail": f"- input.{name}: {words}\n", "status": 422}
    return ProviderError(JSONResponse(body | {"invalid_fields": fields}, 422))
