"""OpenAI's Images API: what each model accepts, and answers with real pictures.

The models that OpenAI has retired (the two DALL-E, gpt-image-1) are still answered here: servers that speak the same
format have them.
"""

import base64
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from starlette.responses import JSONResponse, Response

from atelier_provider_simulator import openai_errors as errors
from atelier_provider_simulator.openai_streams import stream_of
from atelier_provider_simulator.openai_usage import image_usage
from atelier_provider_simulator.pictures import (
    PictureFormat,
    corrupt,
    describe_upload,
    draw_mosaic,
    make_oversized_png,
    open_picture,
)
from atelier_provider_simulator.plans import PlannedOutcome, UploadedImage
from atelier_provider_simulator.request_handler import ParsedRequest

UPLOAD_BYTES_MAX = 50 * 1024 * 1024
OLD_UPLOAD_BYTES_MAX = 4 * 1024 * 1024
IMAGES_MAX = 16
GPT_SIDE_MULTIPLE, GPT_PIXELS_MIN, GPT_PIXELS_MAX, GPT_RATIO_MAX = 16, 655_360, 3840 * 2160, 3
URL_PREFIX = "/v1/_files/"


@dataclass(frozen=True)
class Model:
    """What one model accepts."""

    sizes: tuple[str, ...]
    """Of one that takes any size: the standard ones."""
    qualities: tuple[str, ...]
    prompt_chars_max: int
    n_max: int = 10
    any_size: bool = False
    old: bool = False
    """Of the DALL-E generation: answers with URLs too, and knows no output format."""
    endpoints: tuple[str, ...] = ("generations", "edits")


_SQUARES = ("256x256", "512x512", "1024x1024")
_GPT_SIZES = ("1024x1024", "1536x1024", "1024x1536", "auto")
_GPT = Model(_GPT_SIZES, ("low", "medium", "high", "auto"), 32_000)
_GPT_ANY = Model(_GPT_SIZES, ("low", "medium", "high", "xhigh", "max", "auto"), 32_000, any_size=True)
MODELS: Mapping[str, Model] = {
    "dall-e-2": Model(_SQUARES, ("standard",), 1_000, old=True, endpoints=("generations", "edits", "variations")),
    "dall-e-3": Model(
        ("1024x1024", "1792x1024", "1024x1792"),
        ("standard", "hd"),
        4_000,
        n_max=1,
        old=True,
        endpoints=("generations",),
    ),
    "gpt-image-1": _GPT,
    "gpt-image-1-mini": _GPT,
    "gpt-image-1.5": _GPT,
    **dict.fromkeys(
        ("gpt-image-2", "gpt-image-2-2026-04-21"),
        Model(_GPT_SIZES, ("low", "medium", "high", "auto"), 32_000, any_size=True),
    ),
    **dict.fromkeys(("gpt-image-2.5-sunburst", "gpt-image-2.5-sunburst-2026-09-08"), _GPT_ANY),
    **dict.fromkeys(("gpt-image-2.5-flare", "gpt-image-2.5-flare-2026-09-08"), _GPT_ANY),
    **dict.fromkeys(("gpt-image-2.6-sunburst", "gpt-image-2.6-flare"), _GPT_ANY),
    "chatgpt-image-latest": _GPT,
}
_SHARED = {"model", "n", "prompt", "quality", "size", "user"}
_GPT_ONLY = {"background", "moderation", "output_compression", "output_format", "safety_identifier"}
_GPT_ONLY |= {"partial_images", "stream"}
PARAMETERS: Mapping[str, tuple[set[str], set[str]]] = {
    "generations": (_SHARED | {"response_format", "style"}, _SHARED | _GPT_ONLY),
    "edits": (
        _SHARED | {"response_format", "image", "mask"},
        _SHARED | _GPT_ONLY | {"image", "mask", "input_fidelity"},
    ),
    "variations": ({"model", "n", "size", "user", "response_format", "image"}, set()),
}
"""By endpoint: what the older models know, what the newer ones know."""


@dataclass(frozen=True)
class UploadedImages:
    """The files of a multipart request."""

    images: tuple[bytes, ...] = ()
    mask: bytes | None = field(default=None, repr=False)


def parse_request(
    endpoint: str, payload: Mapping[str, Any], uploads: UploadedImages, files: dict[str, bytes], base_url: str
) -> ParsedRequest:
    """The request, checked as the API checks it. ``files`` is where pictures lie that are answered by URL. Raises
    ProviderError."""
    name = payload.get("model") or ("dall-e-2" if endpoint == "variations" else "gpt-image-2.6-flare")
    model = MODELS.get(name)
    if model is None:
        raise errors.provider_error(f"The model '{name}' does not exist.", "model", "model_not_found", status=404)
    if endpoint not in model.endpoints:
        raise errors.provider_error(
            f"The model '{name}' cannot be used for images/{endpoint}.", "model", "invalid_value"
        )
    _check_parameters(endpoint, name, model, payload)
    _check_prompt(endpoint, payload.get("prompt"), model)
    _check_uploads(endpoint, uploads, model)
    n, size = _count(payload.get("n"), model), _size(payload.get("size"), model)
    by_url = model.old and (payload.get("response_format") or "url") == "url"
    file_format = cast(PictureFormat, payload.get("output_format") or "png")
    seeds = (endpoint, name, *(f"{key}={payload[key]}" for key in sorted(payload) if key != "n"))

    def make(planned: PlannedOutcome, count: int) -> Response:
        if count == 0:
            return errors.content_policy_error(name)
        quality_of_file = int(payload.get("output_compression") or 85)
        data = [_picture(planned, size, file_format, seeds, uploads, index, quality_of_file) for index in range(count)]
        entries = [_by_url(picture, files, base_url) if by_url else _inline(picture) for picture in data]
        if model.old:
            return JSONResponse({"created": int(time.time()), "data": entries}, headers=errors.headers())
        quality = payload.get("quality") if payload.get("quality") not in (None, "auto") else "medium"
        usage = image_usage(str(payload["prompt"]), len(uploads.images), size, str(quality), count)
        if str(payload.get("stream")).lower() == "true":
            wanted = int(payload.get("partial_images") or 0)
            partials = [_picture(planned, size, file_format, seeds, uploads, -1 - index) for index in range(wanted)]
            shown = {"quality": str(quality), "size": f"{size[0]}x{size[1]}", "output_format": file_format}
            return stream_of(endpoint, partials, data[0], shown, usage)
        return _answer(entries, str(quality), size, file_format, usage)

    parameters = {key: str(value) for key, value in payload.items() if key != "prompt"}
    return ParsedRequest(
        name, n, make, lambda plan: errors.decline(plan, model=name), parameters, _describe_uploads(uploads)
    )


def _describe_uploads(uploads: UploadedImages) -> tuple[UploadedImage, ...]:
    masks = () if uploads.mask is None else (describe_upload(uploads.mask, "mask"),)
    return (*(describe_upload(image, "image") for image in uploads.images), *masks)


def _picture(
    planned: PlannedOutcome,
    size: tuple[int, int],
    file_format: PictureFormat,
    words: tuple[str, ...],
    uploads: UploadedImages,
    index: int,
    quality: int = 85,
) -> bytes:
    if planned.plan.outcome == "oversized":
        return make_oversized_png()
    seeds = (*(word.encode() for word in words), *uploads.images, uploads.mask or b"", str(index).encode())
    content = draw_mosaic(
        size, file_format, *seeds, over=uploads.images[0] if uploads.images else None, quality=quality
    )
    return corrupt(content) if planned.plan.outcome == "corrupt" else content


def _inline(picture: bytes) -> dict[str, str]:
    return {"b64_json": base64.b64encode(picture).decode()}


def _by_url(picture: bytes, files: dict[str, bytes], base_url: str) -> dict[str, str]:
    name = f"{secrets.token_hex(8)}.png"
    files[name] = picture
    return {"url": f"{base_url}{URL_PREFIX}{name}"}


def _answer(
    entries: list[dict[str, str]], quality: str, size: tuple[int, int], file_format: str, usage: dict[str, Any]
) -> Response:
    body = {
        "created": int(time.time()),
        "data": entries,
        "output_format": file_format,
        "size": f"{size[0]}x{size[1]}",
        "quality": quality,
        "background": "opaque",
        "usage": usage,
    }
    return JSONResponse(body, headers=errors.headers())


def _check_parameters(endpoint: str, name: str, model: Model, payload: Mapping[str, Any]) -> None:
    known = PARAMETERS[endpoint][0 if model.old else 1]
    for parameter in payload:
        if parameter not in known:
            raise errors.provider_error(f"Unknown parameter: '{parameter}'.", parameter, "unknown_parameter")
    choices = {
        "quality": model.qualities,
        "style": ("vivid", "natural") if name == "dall-e-3" else (),
        "output_format": ("png", "jpeg", "webp"),
        "response_format": ("url", "b64_json"),
    }
    for parameter, values in choices.items():
        value = payload.get(parameter)
        if value is not None and value not in values:
            listed = ", ".join(f"'{value}'" for value in values) or "none for this model"
            message = f"Invalid value: '{value}'. Supported values are: {listed}."
            raise errors.provider_error(message, parameter, "invalid_value")


def _check_prompt(endpoint: str, prompt: object, model: Model) -> None:
    if endpoint == "variations":
        return
    if not isinstance(prompt, str) or not prompt:
        raise errors.provider_error("Missing required parameter: 'prompt'.", "prompt", "missing_required_parameter")
    if len(prompt) > model.prompt_chars_max:
        message = f"Invalid 'prompt': string too long. Expected at most {model.prompt_chars_max} characters."
        raise errors.provider_error(message, "prompt", "string_above_max_length")


def _check_uploads(endpoint: str, uploads: UploadedImages, model: Model) -> None:
    if endpoint == "generations":
        return
    if not uploads.images:
        raise errors.provider_error("Missing required parameter: 'image'.", "image", "missing_required_parameter")
    if len(uploads.images) > (1 if model.old else IMAGES_MAX):
        raise errors.provider_error("Invalid 'image': too many images.", "image", "array_above_max_length")
    opened = [_open_image(data, "image", model) for data in uploads.images]
    if model.old and opened[0][0] != opened[0][1]:
        raise errors.provider_error("Uploaded image must be square.", "image", "invalid_image")
    if uploads.mask is not None and _open_image(uploads.mask, "mask", model) != opened[0]:
        raise errors.provider_error(
            "Invalid mask image format - mask size does not match image size.", "mask", "invalid_mask"
        )


def _open_image(data: bytes, param: str, model: Model) -> tuple[int, int]:
    if len(data) > (OLD_UPLOAD_BYTES_MAX if model.old else UPLOAD_BYTES_MAX):
        raise errors.provider_error("Uploaded image is too large.", param, "image_too_large")
    try:
        image = open_picture(data)
    except ValueError:
        raise errors.provider_error(
            "Invalid image file or mode, please check your image file.", param, "invalid_image"
        ) from None
    if model.old and image.format != "PNG":
        raise errors.provider_error("Uploaded image must be a PNG.", param, "invalid_image_format")
    if param == "mask" and (image.format != "PNG" or not image.has_transparency_data):
        raise errors.provider_error(
            "Invalid mask image format - mask must be a PNG with an alpha channel.", param, "invalid_mask"
        )
    return image.size


def _count(n: object, model: Model) -> int:
    try:
        count = 1 if n is None else int(str(n))
    except ValueError:
        raise errors.provider_error(
            f"Invalid type for 'n': expected an integer, but got '{n}'.", "n", "invalid_type"
        ) from None
    if not 1 <= count <= model.n_max:
        message = f"Invalid 'n': integer out of range. Expected a value between 1 and {model.n_max}, but got {count}."
        raise errors.provider_error(message, "n", "integer_above_max_value")
    return count


def _size(size: object, model: Model) -> tuple[int, int]:
    word = "1024x1024" if size in (None, "auto") and (size is None or "auto" in model.sizes) else str(size)
    width, _, height = word.partition("x")
    if word in model.sizes or (model.any_size and _is_any_size(width, height)):
        return int(width), int(height)
    listed = ", ".join(f"'{size}'" for size in model.sizes)
    raise errors.provider_error(f"Invalid value: '{size}'. Supported values are: {listed}.", "size", "invalid_value")


def _is_any_size(width: str, height: str) -> bool:
    if not (width.isdecimal() and height.isdecimal()):
        return False
    across, down = int(width), int(height)
    if across % GPT_SIDE_MULTIPLE or down % GPT_SIDE_MULTIPLE or not across or not down:
        return False
    within = GPT_PIXELS_MIN <= across * down <= GPT_PIXELS_MAX
    return within and max(across, down) <= GPT_RATIO_MAX * min(across, down)
