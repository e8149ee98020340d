"""Requests that the common suite makes of a provider, and the checks of what it delivers."""

import io
from typing import Any

from PIL import Image

from atelier_imaging.pictures import CONTENT_TYPES
from atelier_render.providers.protocol import (
    Offer,
    Partial,
    Picture,
    ProviderJob,
    ProviderOutcome,
    Succeeded,
)
from atelier_render.providers.toolkit.file_checks import flaw, type_of
from atelier_render.providers.toolkit.narration_script import CONTENT_TYPES as SOUND_TYPES

from .provider_subjects import Subject


def spec_of(offer: Offer, place: int) -> dict[str, Any]:
    """A request that the row covers: the value at this place of each of its lists; short lists repeat."""
    lists = {
        "mode": offer.modes,
        "model": offer.models,
        "size": offer.sizes,
        "style": offer.styles,
        "quality": offer.qualities,
        "format": offer.formats,
    }
    chosen: dict[str, Any] = {name: values[place % len(values)] for name, values in lists.items() if values}
    sound = {"audio_format": ("mp3", "wav")[place % 2]} if offer.kind == "narration" else {}
    return {"kind": offer.kind} | chosen | sound


def rows(subject: Subject) -> list[dict[str, Any]]:
    """Requests that touch every mode, model and size of every row, or those that were chosen."""
    if subject.cases is not None:
        return [dict(case) for case in subject.cases]
    found = []
    for offer in subject.provider.capabilities.offers:
        longest = max(2, len(offer.modes), len(offer.models), len(offer.sizes))
        found += [spec_of(offer, place) for place in range(longest)]
    return found


def pictures(outcome: ProviderOutcome) -> tuple[Picture, ...]:
    assert isinstance(outcome, Succeeded | Partial), outcome
    return outcome.pictures


def check(subject: Subject, job: ProviderJob, made: Picture) -> None:
    """The metadata of a picture or a sound agrees with its bytes and with the request."""
    spec = job.spec
    assert flaw(made) is None
    assert type_of(made.data) == made.content_type
    if made.content_type in SOUND_TYPES.values():
        assert (made.width, made.height) == (None, None)
    else:
        with Image.open(io.BytesIO(made.data)) as image:
            image.load()
            assert image.size == (made.width, made.height)
    sound = spec.kind == "narration"
    assert made.content_type == (SOUND_TYPES[spec.audio_format] if sound else CONTENT_TYPES[spec.format])
    if spec.size and "x" in spec.size:
        assert f"{made.width}x{made.height}" == spec.size
