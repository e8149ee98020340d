"""Google's ``models/{model}:generateContent`` where it makes pictures: one a request, of a ratio and a resolution.

Imagen's ``:predict`` is gone from the service since August 2026, and is answered here as there: not found.
"""

import base64
import binascii
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import JSONResponse, Response

from atelier_provider_simulator.pictures import corrupt, describe_upload, draw_mosaic, make_oversized_png, open_picture
from atelier_provider_simulator.plans import Plan, PlannedOutcome
from atelier_provider_simulator.request_handler import ParsedRequest, ProviderError

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
PICTURE_TOKENS = ((1_500_000, 1_120), (6_000_000, 1_680), (24_000_000, 2_520))
"""Tokens of a picture of at most so many pixels: 1K, 2K, 4K."""
UPLOAD_TOKENS = 258
CHARS_A_TOKEN = 4


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


def error_response(status: int, word: str, message: str, *details: Mapping[str, Any]) -> Response:
    """An error as the API words it."""
    body: dict[str, Any] = {"code": status, "message": message, "status": word}
    return JSONResponse({"error": body | ({"details": list(details)} if details else {})}, status)


def provider_error(message: str, *, status: int = 400, word: str = "INVALID_ARGUMENT") -> ProviderError:
    """The same, to be raised."""
    return ProviderError(error_response(status, word, message))


def parse_request(name: str, method: str, body: bytes) -> ParsedRequest:
    """The request, checked as the API checks it. Raises ProviderError."""
    model = MODELS.get(name)
    if model is None or method != "generateContent":
        message = f"models/{name} is not found for API version v1beta, or is not supported for {method}."
        raise provider_error(message, status=404, word="NOT_FOUND")
    payload = _json(body)
    _refuse_unknown_names(payload, REQUEST_KEYS, "")
    words, pictures = _parts(payload)
    generation = payload.get("generationConfig") or {}
    _refuse_unknown_names(generation, GENERATION_KEYS, "generation_config")
    size = _size(model, generation.get("imageConfig") or {})
    if generation.get("candidateCount") not in (None, 1):
        raise provider_error("Multiple candidates is not enabled for this model.")
    if generation.get("thinkingConfig") and not model.thinks:
        raise provider_error("Thinking is not enabled for this model.")
    seeds = [name.encode(), words.encode(), str(generation.get("seed")).encode(), *pictures]

    def make(planned: PlannedOutcome, count: int) -> Response:
        if count == 0:
            return _answer(name, _filtered(), _usage(words, len(pictures), size))
        picture = _picture(planned, size, seeds, pictures)
        return _answer(name, _candidate(picture), _usage(words, len(pictures), size))

    return ParsedRequest(
        name, 1, make, _decline, uploads=tuple(describe_upload(picture, "image") for picture in pictures)
    )


def _decline(plan: Plan) -> Response:
    match plan.outcome:
        case "rate_limited":
            after_s = RETRY_AFTER_S if plan.retry_after_s is None else plan.retry_after_s
            retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{after_s:g}s"}
            return error_response(429, "RESOURCE_EXHAUSTED", "You exceeded your current rate limit.", retry)
        case "out_of_quota":
            violation = {"quotaId": "GenerateRequestsPerDayPerProjectPerModel", "quotaValue": "100"}
            failure = {"@type": "type.googleapis.com/google.rpc.QuotaFailure", "violations": [violation]}
            return error_response(429, "RESOURCE_EXHAUSTED", "You exceeded your current quota.", failure)
        case "server_error" if plan.status in (502, 503, 504):
            return error_response(plan.status, "UNAVAILABLE", "The model is overloaded. Please try again later.")
        case "server_error":
            return error_response(500, "INTERNAL", "An internal error has occurred. Please retry.")
        case _:
            return JSONResponse(
                {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": _usage("", 0, None)}
            )


def _picture(planned: PlannedOutcome, size: tuple[int, int], seeds: list[bytes], pictures: list[bytes]) -> bytes:
    if planned.plan.outcome == "oversized":
        return make_oversized_png()
    content = draw_mosaic(size, "png", *seeds, over=pictures[0] if pictures else None)
    return corrupt(content) if planned.plan.outcome == "corrupt" else content


def _answer(model: str, candidate: dict[str, Any], usage: dict[str, Any]) -> Response:
    """An answer as the service frames it: the candidate, its usage, its own id."""
    said = {"usageMetadata": usage, "modelVersion": model, "responseId": secrets.token_urlsafe(16)}
    return JSONResponse({"candidates": [candidate | {"index": 0}], **said})


def _candidate(picture: bytes) -> dict[str, Any]:
    data = {"mimeType": "image/png", "data": base64.b64encode(picture).decode()}
    return {"content": {"role": "model", "parts": [{"inlineData": data}]}, "finishReason": "STOP"}


def _filtered() -> dict[str, Any]:
    """The picture was made and then held back, as the service's filters do."""
    message = "Unable to show the generated image. It was filtered out."
    return {"finishReason": "IMAGE_SAFETY", "finishMessage": message}


def _usage(words: str, pictures: int, size: tuple[int, int] | None) -> dict[str, Any]:
    """``usageMetadata``: tokens by modality. Without a size nothing was made."""
    text, given = -(-len(words) // CHARS_A_TOKEN), pictures * UPLOAD_TOKENS
    made = next(tokens for pixels, tokens in PICTURE_TOKENS if size[0] * size[1] <= pixels) if size else 0
    details = [{"modality": "TEXT", "tokenCount": text}] + (
        [{"modality": "IMAGE", "tokenCount": given}] if given else []
    )
    usage: dict[str, Any] = {"promptTokenCount": text + given, "promptTokensDetails": details}
    if made:
        usage |= {"candidatesTokenCount": made, "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": made}]}
    return usage | {"totalTokenCount": text + given + made}


def _json(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except ValueError:
        payload = None
    if not isinstance(payload, dict):
        raise provider_error("Invalid JSON payload received.")
    return payload


def _refuse_unknown_names(payload: Mapping[str, Any], known: set[str], where: str) -> None:
    for name in payload:
        if name not in known:
            place = f" at '{where}'" if where else ""
            raise provider_error(f'Invalid JSON payload received. Unknown name "{name}"{place}: Cannot find field.')


def _parts(payload: Mapping[str, Any]) -> tuple[str, list[bytes]]:
    """The words and the pictures of the request."""
    words, pictures = [], []
    for content in payload.get("contents") or []:
        for part in content.get("parts") or []:
            if "text" in part:
                words.append(part["text"])
            elif "inlineData" in part:
                pictures.append(_inline(part["inlineData"]))
    if not words and not pictures:
        raise provider_error("GenerateContentRequest.contents: contents is not specified")
    return "\n".join(words), pictures


def _inline(payload: Mapping[str, Any]) -> bytes:
    try:
        # The SDK encodes by the URL-safe alphabet, others by the ordinary one; the service takes both.
        data = base64.b64decode(payload["data"].replace("-", "+").replace("_", "/"), validate=True)
        open_picture(data)
    except (KeyError, ValueError, binascii.Error):
        raise provider_error("Unable to process input image.") from None
    return data


def _size(model: Model, config: Mapping[str, Any]) -> tuple[int, int]:
    _refuse_unknown_names(config, {"aspectRatio", "imageSize"}, "generation_config.image_config")
    ratio, resolution = config.get("aspectRatio", "1:1"), config.get("imageSize", "1K")
    if ratio not in SIDES:
        raise provider_error(f"aspect_ratio must be one of {', '.join(SIDES)}.")
    if resolution not in model.resolutions:
        raise provider_error(f"image_size must be one of {', '.join(model.resolutions)}.")
    width, height = SIDES[ratio]
    return width * SCALES[resolution], height * SCALES[resolution]
