"""The image models clients may name: which sizes, qualities and styles each takes, and what they mean. Pure tables.

Sources: seed 003 (sizes by model, style mapping, price table) and the providers' current lists. Prices are the price
book's alone: a size here names the row of seed 003's table that it is priced by, and what has no price is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from math import log
from typing import Literal, NamedTuple

from atelier_contracts.image_models import (
    ANY_SIZE_MODELS,
    DALL_E_MODELS,
    FINEST_MODELS,
    GEMINI_IMAGE_MODELS,
    GPT_IMAGE_MODELS,
    IMAGEN_MODELS,
    QUEUED_MODELS,
    RECOMMENDED_MODELS,
    ImageProvider,
    is_any_size,
)
from atelier_contracts.model_lifecycles import successor_of, utc_today
from atelier_pricing import Price, price

Style = Literal["natural", "vivid", "artistic", "photographic"]

DEFAULT_SIZE = "1024x1024"
SQUARE_PIXELS = 1024 * 1024
WIDE_PIXELS = 1792 * 1024
ANY_SIZE = "any size of 655360 to 8294400 pixels in multiples of 16, up to 3:1 and 3840 a side"
SQUARE = {DEFAULT_SIZE: DEFAULT_SIZE}
SEED_SIZES = {**SQUARE, "1792x1024": "1792x1024", "1024x1792": "1024x1792"}
SMALL_SIZES = {"256x256": "256x256", "512x512": "512x512", **SQUARE}
GPT_SIZES = {**SQUARE, "1536x1024": "1792x1024", "1024x1536": "1024x1792"}
"""The providers' later sizes cost what the seed's size of the same orientation costs."""

SEED_QUALITIES = {"standard": "standard", "hd": "hd"}
ONE_QUALITY = {"standard": "standard"}
GPT_QUALITIES = {"low": "low", "medium": "standard", "high": "hd", **SEED_QUALITIES}
FINEST_QUALITIES = {**GPT_QUALITIES, "xhigh": "xhigh", "max": "max"}

_AS_WORDS: Mapping[Style, str] = {style: style for style in ("natural", "vivid", "artistic", "photographic")}
STYLES: Mapping[ImageProvider, Mapping[Style, str]] = {
    "openai": {"natural": "natural", "vivid": "vivid", "artistic": "vivid", "photographic": "natural"},
    "google": _AS_WORDS,
    **dict.fromkeys(QUEUED_MODELS, _AS_WORDS),
}
"""Seed 003, style mapping; it names none for Google, whose models read the word itself, as the others' do."""


class ImageModel(NamedTuple):
    """One model: size → size it is priced by, quality → the price table's quality."""

    provider: ImageProvider
    sizes: Mapping[str, str]
    qualities: Mapping[str, str]
    answers_base64: bool = False
    """Whether OpenAI's API answers with the picture itself unless the request wants a URL."""
    any_size: bool = False
    """Whether it makes other sizes too, within the rules of ``is_any_size``."""

    def priced_size(self, size: str) -> str | None:
        """The size that one is priced by, its own where it is larger than the seed's; None for one that the model does
        not make."""
        if size in self.sizes or not (self.any_size and is_any_size(size)):
            return self.sizes.get(size)
        width, height = map(int, size.split("x"))
        if width * height <= SQUARE_PIXELS:
            return DEFAULT_SIZE
        if width * height > WIDE_PIXELS:
            return size
        return "1792x1024" if width >= height else "1024x1792"


GPT = ImageModel("openai", GPT_SIZES, GPT_QUALITIES, answers_base64=True)
GOOGLE = ImageModel("google", SEED_SIZES, SEED_QUALITIES)
MODELS: Mapping[str, ImageModel] = {
    "dall-e-2": ImageModel("openai", SMALL_SIZES, SEED_QUALITIES),
    "dall-e-3": ImageModel("openai", SEED_SIZES, SEED_QUALITIES),
    **dict.fromkeys(GPT_IMAGE_MODELS, GPT),
    **dict.fromkeys(ANY_SIZE_MODELS, GPT._replace(any_size=True)),
    **dict.fromkeys(FINEST_MODELS, GPT._replace(any_size=True, qualities=FINEST_QUALITIES)),
    **dict.fromkeys((*IMAGEN_MODELS, *GEMINI_IMAGE_MODELS), GOOGLE),
    "gemini-3.1-flash-lite-image": ImageModel("google", SQUARE, ONE_QUALITY),
    **{
        name: ImageModel(provider, SEED_SIZES, ONE_QUALITY)
        for provider, names in QUEUED_MODELS.items()
        for name in names
    },
}
DEFAULT_PROVIDER: ImageProvider = "openai"
DEFAULT_MODELS: Mapping[str, str] = {
    "openai": "dall-e-3",
    "google": "imagen",
    **{provider: names[0] for provider, names in QUEUED_MODELS.items()},
}
"""By provider, on seed 003's surface."""


QUALITY_SHOWN: Mapping[str, str] = {
    "low": "low",
    "standard": "medium",
    "hd": "high",
    "xhigh": "xhigh",
    "max": "max",
}
"""The price table's quality in OpenAI's words."""

INPUT_FIDELITIES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(GPT_IMAGE_MODELS, ("high",)),
    **dict.fromkeys(("gpt-image-1", "gpt-image-1.5", "chatgpt-image-latest"), ("low", "high")),
    "gpt-image-1-mini": ("low",),
}
"""The values of ``input_fidelity`` that a model takes; the later ones always keep to their pictures (openai 3.52)."""


def nearest_size(sizes: Iterable[str], width: int, height: int) -> str:
    """Of the sizes (``1536x1024``) the one whose shape is nearest to that of a picture of this width and height in
    pixels; of equally near ones the default, else the first."""

    def distance(size: str) -> tuple[float, bool]:
        across, down = map(int, size.split("x"))
        return abs(log((across / down) / (width / height))), size != DEFAULT_SIZE

    return min(sizes, key=distance)


@dataclass(frozen=True, slots=True)
class UnsupportedModelOption:
    """What the named model does not take: in which field, and what it takes instead."""

    field: Literal["provider", "model", "size", "style", "quality"]
    message: str


@dataclass(frozen=True, slots=True)
class ResolvedModel:
    """A choice that a model can make and the price book has a price for.

    ``size`` is the picture's, ``priced_size`` and ``quality`` the price table's, ``style`` the provider's own word.
    """

    provider: ImageProvider
    model: str
    size: str
    priced_size: str
    quality: str
    style: str | None
    successor: str | None = None
    """Who makes it, where the model's provider has withdrawn the model."""


def resolve(
    *,
    provider: str | None = None,
    model: str | None = None,
    size: str | None = None,
    quality: str | None = None,
    style: str | None = None,
    today: date | None = None,
) -> ResolvedModel | UnsupportedModelOption:
    """Fills in what is left open and checks the rest against the tables; what a withdrawn model is named for costs the
    less of its price and its successor's. ``today`` is a day in UTC, by the clock where none is given. Never raises."""
    found = _model(provider, model)
    if isinstance(found, UnsupportedModelOption):
        return found
    name, known = found
    asked_size, asked_quality = size or DEFAULT_SIZE, quality or "standard"
    if known.priced_size(asked_size) is None:
        others = f", and {ANY_SIZE}" if known.any_size else ""
        return UnsupportedModelOption("size", f"{name} makes {_join_words(known.sizes)}{others}, not {asked_size}")
    if asked_quality not in known.qualities:
        return UnsupportedModelOption("quality", f"{name} takes {_join_words(known.qualities)}, not {asked_quality}")
    words: Mapping[str, str] = {str(word): meant for word, meant in STYLES[known.provider].items()}
    if style is not None and style not in words:
        return UnsupportedModelOption("style", f"a style is one of {_join_words(words)}, not {style}")
    successor = successor_of(name, today=today or utc_today())
    tariff = cheaper(known, MODELS[successor] if successor else known, asked_size, asked_quality)
    if tariff is None:
        return UnsupportedModelOption("quality", f"{asked_quality} is not available at {asked_size}")
    return ResolvedModel(known.provider, name, asked_size, *tariff, words[style] if style else None, successor)


def cheaper(named: ImageModel, maker: ImageModel, size: str, quality: str) -> tuple[str, str] | None:
    """Size and quality of the price table that a picture is charged by, where one model is named and another makes it:
    those of the lower price. None where the named model has no price; what its maker has none for costs as named."""
    named_tariff, maker_tariff = (
        (priced, model.qualities[quality]) if priced and quality in model.qualities else None
        for model in (named, maker)
        for priced in (model.priced_size(size),)
    )
    named_price, maker_price = _credits(named_tariff), _credits(maker_tariff)
    if named_price is None:
        return None
    return maker_tariff if maker_price is not None and maker_price < named_price else named_tariff


def _credits(tariff: tuple[str, str] | None) -> int | None:
    found = price("image", size=tariff[0], quality=tariff[1]) if tariff else None
    return found.credits if isinstance(found, Price) else None


def default_model(provider: ImageProvider, size: str | None) -> str:
    """The model of a request that names none: the one its provider recommends, or where that does not make the size,
    an earlier one that does."""
    recommended = RECOMMENDED_MODELS[provider]
    earlier = DALL_E_MODELS if provider == "openai" else ()
    makers = [name for name in (recommended, *earlier) if (size or DEFAULT_SIZE) in MODELS[name].sizes]
    return makers[0] if makers else recommended


def _model(provider: str | None, model: str | None) -> tuple[str, ImageModel] | UnsupportedModelOption:
    if provider is not None and provider not in DEFAULT_MODELS:
        return UnsupportedModelOption("provider", f"a provider is one of {_join_words(DEFAULT_MODELS)}, not {provider}")
    name = model or DEFAULT_MODELS[provider or DEFAULT_PROVIDER]
    known = MODELS.get(name)
    if known is None:
        return UnsupportedModelOption("model", f"there is no image model {name}")
    if provider is not None and known.provider != provider:
        return UnsupportedModelOption("model", f"{name} is a model of {known.provider}, not of {provider}")
    return name, known


def _join_words(words: Mapping[str, str]) -> str:
    return ", ".join(words)
