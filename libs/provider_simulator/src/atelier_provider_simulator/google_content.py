"""Google's ``models/{model}:generateContent`` where it makes pictures: one a request, of a ratio and a resolution.

Imagen's ``:predict`` is gone from the service since August 2026, and is answered here as there: not found.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from atelier_provider_simulator.pictures import corrupted, described, drawn, oversized, readable
from atelier_provider_simulator.plans import Order, Plan
from atelier_provider_simulator.request_handler import Asked, Wrong

RETRY_AFTER_S = 1.0
SIDES: Mapping[str, tuple[int, int]] = {
    "1:1": (1024, 1024),
    "2:3": (848, 1264),
    "3:2": (1264, 848),
    "3:4": (896, 1200),
    "4:3": (1200, 896),
    "4:5": (928, 1152),
    "5:4": (1152, 928),
    "9:16": (768, 1376),
    "16:9": (1376, 768),
    "21:9": (1584, 672),
}
"""By ratio, in pixels at 1K; twice and four times as many at 2K and 4K."""
SCALES = {"1K": 1, "2K": 2, "4K": 4}


@dataclass(frozen=True)
class Model:
    """What one model accepts."""

    resolutions: tuple[str, ...]
    thinks: bool = False


MODELS: Mapping[str, Model] = {
    "gemini-2.5-flash-image": Model(("1K",)),
    "gemini-3.1-flash-image": Model(("1K", "2K", "4K"), thinks=True),
    "gemini-3.1-flash-lite-image": Model(("1K",)),
    "gemini-3-pro-image": Model(("1K", "2K", "4K"), thinks=True),
}
GENERATION_KEYS = {"responseModalities", "imageConfig", "seed", "candidateCount", "temperature", "thinkingConfig"}
REQUEST_KEYS = {"contents", "generationConfig", "safetySettings", "systemInstruction"}


def error(status: int, word: str, message: str, *details: Mapping[str, Any]) -> Response:
    """An error as the API words it."""
    body: dict[str, Any] = {"code": status, "message": message, "status": word}
    return JSONResponse({"error": body | ({"details": list(details)} if details else {})}, status)


def wrong(message: str, *, status: int = 400, word: str = "INVALID_ARGUMENT") -> Wrong:
    """The same, to be raised."""
    return Wrong(error(status, word, message))


def asked(name: str, method: str, body: bytes) -> Asked:
    """The request, checked as the API checks it. Raises Wrong."""
    model = MODELS.get(name)
    if model is None or method != "generateContent":
        message = f"models/{name} is not found for API version v1beta, or is not supported for {method}."
        raise wrong(message, status=404, word="NOT_FOUND")
    given = _json(body)
    _known(given, REQUEST_KEYS, "")
    words, pictures = _parts(given)
    generation = given.get("generationConfig") or {}
    _known(generation, GENERATION_KEYS, "generation_config")
    size = _size(model, generation.get("imageConfig") or {})
    if generation.get("candidateCount") not in (None, 1):
        raise wrong("Multiple candidates is not enabled for this model.")
    if generation.get("thinkingConfig") and not model.thinks:
        raise wrong("Thinking is not enabled for this model.")
    made_of = [name.encode(), words.encode(), str(generation.get("seed")).encode(), *pictures]

    def make(order: Order, count: int) -> Response:
        if count == 0:
            return JSONResponse(_filtered())
        return JSONResponse(_candidate(_picture(order, size, made_of, pictures)))

    return Asked(name, 1, make, _decline, uploads=tuple(described(picture, "image") for picture in pictures))


def _decline(plan: Plan) -> Response:
    match plan.outcome:
        case "rate_limited":
            after_s = RETRY_AFTER_S if plan.retry_after_s is None else plan.retry_after_s
            retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{after_s:g}s"}
            return error(429, "RESOURCE_EXHAUSTED", "You exceeded your current rate limit.", retry)
        case "out_of_quota":
            violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaValue": "100"}
            failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}
            return error(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", failure)
        case "server_error" if plan.status in (502, 503, 504):
            return error(plan.status, "UNAVAILABLE", "The model is overloaded. Please try again later.")
        case "server_error":
            return error(500, "INTERNAL", "An internal error has occurred. Please retry.")
        case _:
            return JSONResponse({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": _usage()})


def _picture(order: Order, size: tuple[int, int], made_of: list[bytes], pictures: list[bytes]) -> bytes:
    if order.plan.outcome == "oversized":
        return oversized()
    made = drawn(size, "png", *made_of, over=pictures[0] if pictures else None)
    return corrupted(made) if order.plan.outcome == "corrupt" else made


def _candidate(picture: bytes) -> dict[str, Any]:
    data = {"mimeType": "image/png", "data": base64.b64encode(picture).decode()}
    content = {"role": "model", "parts": [{"inlineData": data}]}
    return {"candidates": [{"content": content, "finishReason": "STOP", "index": 0}], "usageMetadata": _usage()}


def _filtered() -> dict[str, Any]:
    """The picture was made and then held back, as the service's filters do."""
    said = "Unable to show the generated image. It was filtered out."
    return {
        "candidates": [{"finishReason": "IMAGE_SAFETY", "finishMessage": said, "index": 0}],
        "usageMetadata": _usage(),
    }


def _usage() -> dict[str, int]:
    return {"promptTokenCount": 10, "candidatesTokenCount": 1290, "totalTokenCount": 1300}


def _json(body: bytes) -> dict[str, Any]:
    try:
        given = json.loads(body)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise wrong("Invalid JSON payload received.")
    return given


def _known(given: Mapping[str, Any], known: set[str], where: str) -> None:
    for name in given:
        if name not in known:
            place = f" at '{where}'" if where else ""
            raise wrong(f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.')


def _parts(given: Mapping[str, Any]) -> tuple[str, list[bytes]]:
    """The words and the pictures of the request."""
    words, pictures = [], []
    for content in given.get("contents") or []:
        for part in content.get("parts") or []:
            if "text" in part:
                words.append(part["text"])
            elif "inlineData" in part:
                pictures.append(_inline(part["inlineData"]))
    if not words and not pictures:
        raise wrong("GenerateContentRequest.contents: contents is not specified")
    return "\n".join(words), pictures


def _inline(given: Mapping[str, Any]) -> bytes:
    try:
        # The SDK encodes by the URL-safe alphabet, others by the ordinary one; the service takes both.
        data = base64.b64decode(given["data"].replace("-", "+").replace("_", "/"), validate=True)
        readable(data)
    except (KeyError, ValueError, binascii.Error):
        raise wrong("Unable to process input image.") from None
    return data


def _size(model: Model, config: Mapping[str, Any]) -> tuple[int, int]:
    _known(config, {"aspectRatio", "imageSize"}, "generation_config.image_config")
    ratio, resolution = config.get("aspectRatio", "1:1"), config.get("imageSize", "1K")
    if ratio not in SIDES:
        raise wrong(f"aspect_ratio must be one of {', '.join(SIDES)}.")
    if resolution not in model.resolutions:
        raise wrong(f"image_size must be one of {', '.join(model.resolutions)}.")
    width, height = SIDES[ratio]
    return width * SCALES[resolution], height * SCALES[resolution]
