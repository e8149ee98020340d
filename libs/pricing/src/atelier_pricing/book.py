"""The price book: one versioned table that says what each kind of work costs, in whole credits.

Sources: docs/requirements/settled.md (question 1) and docs/start/prices.md. A request without a price is refused, never
free. A new price is a new book: held credits keep the book that they were priced with.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from math import ceil
from typing import Any

from atelier_contracts.canonical_json import canonical_sha256
from atelier_contracts.image_models import is_any_size

VERSION = "v3"
"""v3 adds the qualities ``xhigh`` and ``max`` and larger pictures to v2; v2 added the quality ``low`` to v1. Neither
changed a price that was there."""
EARLIER_SHA256 = {"v2": "9c0edacb90381b1da40d8db571d8d4afb37db4763eb501e59c4f29a92827a92e"}
"""Of the books that quotes and holds may still be priced with, as ``book_sha256`` gave it."""

FORM_QUALITY = {"standard": 1, "high": 2, "ultra": 2}
"""ceil(1 x 1 | 1.5 | 2)."""

STUDIO_QUALITY = {"low": 1, "medium": 2, "high": 3}
"""On-model and flat-lay."""

SQUARE = {"low": 5, "standard": 10, "hd": 20, "xhigh": 30, "max": 40}
WIDE = {"low": 8, "standard": 15, "hd": 30, "xhigh": 45, "max": 60}
LARGE = {"low": 15, "standard": 30, "hd": 60, "xhigh": 90, "max": 120}
LARGEST = {"low": 30, "standard": 60, "hd": 120, "xhigh": 180, "max": 240}
"""Credits per picture by quality. ``low`` is half of ``standard``, rounded up; ``hd`` is twice, ``xhigh`` three times
and ``max`` four times ``standard``."""
IMAGE = {
    "256x256": {"standard": 3},
    "512x512": {"standard": 5},
    "1024x1024": SQUARE,
    "1792x1024": WIDE,
    "1024x1792": WIDE,
}
"""By size and quality; a pair that is absent has no price."""
IMAGE_TIERS = ((1024 * 1024, SQUARE), (1792 * 1024, WIDE), (2560 * 1440, LARGE), (3840 * 2160, LARGEST))
"""For every other size that models of any size make: up to so many pixels, the smallest that holds it."""

DEFAULT_IMAGE_SIZE, DEFAULT_IMAGE_QUALITY = "1024x1024", "standard"
TRY_ON_CREDITS = 1
REUSED_CREDITS = 1
"""For each output of an equal earlier result that is delivered again; never more than it costs to make."""
NARRATION_CHARACTERS_PER_CREDIT = 1_000


@dataclass(frozen=True, slots=True)
class Price:
    """``credits`` = ``unit_credits`` x ``units``; a partial delivery is charged by the unit."""

    unit_credits: int
    units: int
    book: str = VERSION

    @property
    def credits(self) -> int:
        """The whole price."""
        return self.unit_credits * self.units


@dataclass(frozen=True, slots=True)
class NoPrice:
    """The book has no price for this; ``reason`` says for what."""

    reason: str
    sizes: tuple[str, ...] = ()
    """Those that it has a price for in this quality, where the size is what it does not know."""
    qualities: tuple[str, ...] = ()
    """Those that it has a price for at all, where the quality is what it does not know."""


@dataclass(frozen=True, slots=True)
class _Request:
    quality: str | None
    size: str | None
    characters: int


def _image(request: _Request) -> int | None:
    return _image_tariff(request.size or DEFAULT_IMAGE_SIZE).get(request.quality or DEFAULT_IMAGE_QUALITY)


def _image_tariff(size: str) -> Mapping[str, int]:
    """Credits by quality; none where the size has no price."""
    if size in IMAGE or not is_any_size(size):
        return IMAGE.get(size, {})
    width, height = map(int, size.split("x"))
    return next(tariff for pixels_max, tariff in IMAGE_TIERS if width * height <= pixels_max)


def _narration(request: _Request) -> int | None:
    return ceil(request.characters / NARRATION_CHARACTERS_PER_CREDIT) or None


TARIFFS: Mapping[str, Callable[[_Request], int | None]] = {
    "try_on": lambda _: TRY_ON_CREDITS,
    "product_shot": lambda request: FORM_QUALITY.get(request.quality or "standard"),
    "image": _image,
    "on_model": lambda request: STUDIO_QUALITY.get(request.quality or "high"),
    "flat_lay": lambda request: STUDIO_QUALITY.get(request.quality or "high"),
    "narration": _narration,
}
"""Credits for one unit, by kind; None where the book has no price."""


def image_sizes(quality: str | None = None) -> list[str]:
    """The sizes by name that a picture of this quality has a price in."""
    return [size for size, tariff in IMAGE.items() if (quality or DEFAULT_IMAGE_QUALITY) in tariff]


def reuse_price(unit_credits: int) -> int:
    """What one output costs that is delivered again, where making it costs ``unit_credits``."""
    return min(REUSED_CREDITS, unit_credits)


def document() -> dict[str, Any]:
    """The whole book as JSON, as its hash is taken over it; amounts in credits."""
    return {
        "version": VERSION,
        "try_on": TRY_ON_CREDITS,
        "product_shot": FORM_QUALITY,
        "on_model": STUDIO_QUALITY,
        "flat_lay": STUDIO_QUALITY,
        "image": [
            {"size": size, "quality": quality, "credits": credits}
            for size, tariff in IMAGE.items()
            for quality, credits in tariff.items()
        ],
        "image_tiers": [{"pixels_max": pixels, "credits": tariff} for pixels, tariff in IMAGE_TIERS],
        "narration": {"characters_per_credit": NARRATION_CHARACTERS_PER_CREDIT},
        "reused": REUSED_CREDITS,
    }


@cache
def book_sha256(version: str) -> str | None:
    """SHA-256 in hex of the book's canonical JSON; None for a version that is not kept."""
    return canonical_sha256(document()) if version == VERSION else EARLIER_SHA256.get(version)


def price(
    kind: str, *, quality: str | None = None, size: str | None = None, n: int = 1, characters: int = 0
) -> Price | NoPrice:
    """What ``n`` units of this work cost. ``characters`` is the length of a narration's text. Never raises."""
    tariff = TARIFFS.get(kind)
    unit = tariff(_Request(quality, size, characters)) if tariff else None
    if unit is None or n < 1:
        wanted = {"kind": kind, "quality": quality, "size": size, "n": n, "characters": characters}
        given = ", ".join(f"{name} {value}" for name, value in wanted.items() if value)
        return NoPrice(f"price book {VERSION} has no price for {given}", *_find_alternatives(kind, quality))
    return Price(unit, n)


def _find_alternatives(kind: str, quality: str | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The sizes that are priced in this quality, or else the qualities that are priced."""
    if kind == "image":
        sizes = tuple(image_sizes(quality))
        return sizes, () if sizes else tuple(SQUARE)
    qualities = FORM_QUALITY if kind == "product_shot" else STUDIO_QUALITY if kind in ("on_model", "flat_lay") else {}
    return (), tuple(qualities)
