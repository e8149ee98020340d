"""The image models that a request can name, by provider: the gateway checks and prices requests for them, render's
providers offer them. ``imagen`` and the two DALL-E are names of our surfaces; the rest are the providers' own.
"""

from collections.abc import Mapping
from typing import Literal, get_args

ImageProvider = Literal["openai", "google"]
HOSTED_PROVIDERS: tuple[ImageProvider, ...] = get_args(ImageProvider)
"""By name. Their settings begin with ``ATELIER_`` and the name."""

RECOMMENDED_MODELS: Mapping[ImageProvider, str] = {"openai": "gpt-image-2.6-flare", "google": "gemini-3.1-flash-image"}
"""What each provider recommends today; it makes what names no model, and succeeds the withdrawn (model_lifecycles)."""

DALL_E_MODELS = ("dall-e-3", "dall-e-2")
GPT_IMAGE_MODELS = (
    "gpt-image-1",
    "gpt-image-1-mini",
    "gpt-image-1.5",
    "gpt-image-2",
    "gpt-image-2.5-sunburst",
    "gpt-image-2.5-flare",
    "gpt-image-2.6-sunburst",
    "gpt-image-2.6-flare",
    "chatgpt-image-latest",
)
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
