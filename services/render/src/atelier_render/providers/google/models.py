"""Google's picture models: what is offered of them, and how a request is put to each.

The names of withdrawn models live on in clients, so from the day a model is gone (contracts, model_lifecycles) a
request for it is made by its successor; the SDK has no call for Imagen, so there is no other way to make what its names
stand for. The Gemini models make one picture a call, of a ratio at a resolution; an exact size is cut from the smallest
of those that holds it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from atelier_contracts import RenderSpec
from atelier_contracts.image_models import GEMINI_IMAGE_MODELS, IMAGEN_MODELS, RECOMMENDED_MODELS
from atelier_contracts.model_lifecycles import successor_of
from atelier_imaging.pictures import CONTENT_TYPES
from atelier_render.providers.protocol import Capabilities, Mode, Offer
from atelier_render.providers.toolkit.image_words import STYLE_WORDS

FLASH, PRO = RECOMMENDED_MODELS["google"], "gemini-3-pro-image"
SQUARES_ONLY = frozenset({"gemini-2.5-flash-image", "gemini-3.1-flash-lite-image"})
"""Those that make 1K pictures and no larger ones: of the sizes offered that holds the square alone."""
REFERENCES_MAX = 14
"""Pictures that the larger models take with one request."""
SQUARE = "1024x1024"
RATIOS: Mapping[str, str] = {SQUARE: "1:1", "1792x1024": "16:9", "1024x1792": "9:16"}
RESOLUTIONS: Mapping[str, str] = {SQUARE: "1K", "1792x1024": "2K", "1024x1792": "2K"}
"""The smallest that holds the size: 16:9 is 1376 x 768 at 1K."""
FINE_QUALITY, FINE_RESOLUTION = "hd", "2K"
ALL_MODES: tuple[Mode, ...] = ("words", "edit", "variation")
SEEDS = 1 << 31


@dataclass(frozen=True, slots=True)
class Wire:
    """The model that is called, and its thinking level; None leaves that to the model."""

    model: str
    thinking: str | None = None


WIRE: Mapping[str, Wire] = {
    "imagen": Wire(FLASH, "HIGH"),
    "imagen-4.0-generate-001": Wire(FLASH, "HIGH"),
    "imagen-4.0-fast-generate-001": Wire(FLASH, "MINIMAL"),
    "imagen-4.0-ultra-generate-001": Wire(PRO),
}
"""Imagen's names, and ``imagen``, seed 003's word for Google's pictures."""


def capabilities(today: date) -> Capabilities:
    """What is offered on a day."""
    return Capabilities(offers(today), reads_inputs=True, remote=True, recalls=False)


def offers(today: date) -> tuple[Offer, ...]:
    """The offers; the first model of the first row is the default."""
    names = (*IMAGEN_MODELS, *GEMINI_IMAGE_MODELS)
    small = tuple(name for name in names if wire_of(name, today).model in SQUARES_ONLY)
    large = tuple(name for name in names if name not in small)
    note = f"Imagen's and other withdrawn names are made by {FLASH} and {PRO}; a style becomes words of the prompt."
    return (
        _offer(large, sizes=tuple(RATIOS), qualities=("standard", FINE_QUALITY), images_max=REFERENCES_MAX, note=note),
        _offer(small, sizes=(SQUARE,), qualities=("standard",), images_max=4, note="Squares only."),
    )


def _offer(
    models: tuple[str, ...], *, sizes: tuple[str, ...], qualities: tuple[str, ...], images_max: int, note: str
) -> Offer:
    styles, formats = tuple(STYLE_WORDS), tuple(CONTENT_TYPES)
    return Offer("image", ALL_MODES, models, sizes, styles, qualities, formats, images_max=images_max, note=note)


def wire_of(name: str | None, today: date) -> Wire:
    """What stands for a name that a request may hold: the successor of a model that is gone."""
    model = name or IMAGEN_MODELS[0]
    return WIRE.get(model) or Wire(successor_of(model, today=today) or model)


def size_of(spec: RenderSpec) -> str:
    """What is delivered."""
    return spec.size or SQUARE


def resolution_of(spec: RenderSpec, wire: Wire) -> str | None:
    """The requested resolution; None for a model with only one."""
    if wire.model in SQUARES_ONLY:
        return None
    return FINE_RESOLUTION if spec.quality == FINE_QUALITY else RESOLUTIONS[size_of(spec)]
