"""Analyses a finished picture of any origin: thumbnail and dominant colours, from the pixels alone."""

import io
from collections import Counter

from PIL import Image

from atelier_imaging.decoder import normalise
from atelier_imaging.pictures import COLOURS_MAX, THUMBNAIL_SIDE_PX, Analysis, ImageRefused

_KMEANS_ROUNDS = 2


def analyse(data: bytes) -> Analysis | ImageRefused:
    """One PNG, JPEG or WEBP; what cannot be decoded is refused with the reason. The same bytes, the same answer."""
    photo = normalise(data, side_max_px=THUMBNAIL_SIDE_PX)
    if isinstance(photo, ImageRefused):
        return photo
    picture, info = Image.fromarray(photo.rgb), photo.info
    return Analysis(info.format, info.width, info.height, _thumbnail(picture), _dominant(picture))


def _thumbnail(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "WEBP", quality=80, method=4)
    return out.getvalue()


def _dominant(picture: Image.Image) -> tuple[str, ...]:
    """Median cut, refined: the means of the groups that the pixels fall into, the largest group first."""
    few = picture.quantize(COLOURS_MAX, Image.Quantize.MEDIANCUT, kmeans=_KMEANS_ROUNDS)
    palette = few.getpalette() or []
    colours = [f"#{bytes(palette[at : at + 3]).hex()}" for at in range(0, len(palette), 3)]
    places = Counter(few.tobytes()).most_common(COLOURS_MAX)
    return tuple(dict.fromkeys(colours[place] for place, _ in places))
