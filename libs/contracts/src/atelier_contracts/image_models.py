"""The image models that a request can name, by provider: the gateway checks and prices requests for them, render's
providers offer them. ``imagen`` and the two DALL-E are names of our surfaces; the rest are the providers' own.
"""

from collections.abc import Mapping
from typing import Literal, get_args

ImageProvider = Literal["openai", "google", "fal", "replicate", "bfl"]
HOSTED_PROVIDERS: tuple[ImageProvider, ...] = get_args(ImageProvider)
"""By name, in order of preference. Their settings begin with ``ATELIER_`` and the name."""

QUEUED_MODELS: Mapping[ImageProvider, tuple[str, ...]] = {
    "fal": ("fal-ai/flux-2-pro", "fal-ai/flux-2-max", "fal-ai/flux-2-flex", "fal-ai/flux-2"),
    "replicate": (
        "black-forest-labs/flux-2-pro",
        "black-forest-labs/flux-2-max",
        "black-forest-labs/flux-2-flex",
    ),
    "bfl": ("flux-2-pro", "flux-2-max", "flux-2-flex", "flux-2-klein-9b", "flux-2-klein-4b"),
}
"""Of the providers that queue requests, and make seed 003's sizes to the pixel; the first is the recommended one."""
RECOMMENDED_MODELS: Mapping[ImageProvider, str] = {
    "openai": "gpt-image-2.6-flare",
    "google": "gemini-3.1-flash-image",
    **{provider: models[0] for provider, models in QUEUED_MODELS.items()},
}
"""What each provider recommends today; it makes what names no model, and succeeds the withdrawn (model_lifecycles)."""

DALL_E_MODELS = ("dall-e-3", "dall-e-2")
GPT_IMAGE_MODELS = (
    "gpt-image-1",
    "gpt-image-1-mini",
    "gpt-image-1.5",
    "gpt-image-2",
    "gpt-image-2-2026-04-21",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-sunburst-2026-09-08",
    "gpt-image-2.5-flare",
    "gpt-image-2.5-flare-2026-09-08",
    "gpt-image-2.6-sunburst",
    "gpt-image-2.6-flare",
    "chatgpt-image-latest",
)
FINEST_MODELS = tuple(name for name in GPT_IMAGE_MODELS if name.startswith(("gpt-image-2.5", "gpt-image-2.6")))
"""Those that have the qualities ``xhigh`` and ``max``."""
ANY_SIZE_MODELS = tuple(name for name in GPT_IMAGE_MODELS if name.startswith("gpt-image-2"))
"""Those that make any ``WIDTHxHEIGHT`` within the rules of ``is_any_size``."""
SIDE_MULTIPLE, SHAPE_MAX = 16, 3
"""Sides are multiples of it, in pixels; the longer one is at most so many times the shorter."""
SIDE_MAX = 3_840
PIXELS_MIN, PIXELS_MAX = 655_360, 3_840 * 2_160
IMAGEN_MODELS = (
    "imagen",
    "imagen-4.0-fast-generate-001",
    "imagen-4.0-generate-001",
    "imagen-4.0-ultra-generate-001",
)
GEMINI_IMAGE_MODELS = (
    "gemini-2.5-flash-image",
    "gemini-3.1-flash-image",
    "gemini-3.1-flash-image-preview",
    "gemini-3.1-flash-lite-image",
    "gemini-3-pro-image",
    "gemini-3-pro-image-preview",
)


def is_any_size(size: str) -> bool:
    """Whether a size such as ``1536x864`` is one of those that models of any size make."""
    sides = size.split("x")
    if len(sides) != 2 or not all(side.isascii() and side.isdecimal() and len(side) <= 4 for side in sides):
        return False
    width, height = map(int, sides)
    if str(width) != sides[0] or str(height) != sides[1] or width % SIDE_MULTIPLE or height % SIDE_MULTIPLE:
        return False
    longer, shorter = max(width, height), min(width, height)
    return PIXELS_MIN <= width * height <= PIXELS_MAX and longer <= min(SIDE_MAX, SHAPE_MAX * shorter)
