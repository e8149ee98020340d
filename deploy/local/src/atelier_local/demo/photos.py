"""The two pictures the demo starts from: real photographs that an installed package carries, so nothing is downloaded.

Both files ship inside the scikit-image wheel; the docstrings below give each one's source and licence.
"""

import io
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

_SHIRT_SIZE = (960, 1040)
_BACKDROP = (236, 235, 232)
_FOLD_SEED = 7
# The right half of a T-shirt lying flat, as fractions of half the width and of the height: neck, sleeve, side, hem.
_SHIRT_HALF = (
    (0.00, 0.155), (0.08, 0.150), (0.16, 0.125), (0.22, 0.075), (0.235, 0.055), (0.40, 0.080), (0.56, 0.125),
    (0.70, 0.215), (0.93, 0.405), (0.90, 0.430), (0.72, 0.500), (0.565, 0.395), (0.575, 0.560), (0.565, 0.750),
    (0.585, 0.945), (0.30, 0.962), (0.00, 0.966),
)  # fmt: skip
_NECK_POINTS = 5
_CUFF = ((0.97, 0.40), (0.925, 0.425), (0.72, 0.505), (0.69, 0.515))
_ARMHOLE_SEAM = ((0.58, 0.12), (0.545, 0.26), (0.575, 0.41))
_HEM_SEAM = ((0.0, 0.935), (0.30, 0.931), (0.62, 0.915))
_RIBBING = (176, 184, 210)


def person_photo() -> bytes:
    """A portrait as PNG, 512 x 512: the astronaut Eileen Collins.

    Source: NASA, Great Images in NASA (https://flic.kr/p/r9qvLn), as ``skimage/data/astronaut.png``.
    Licence: no known copyright restrictions, released into the public domain.
    """
    return _load_photo("astronaut.png")


def garment_photo() -> bytes:
    """A T-shirt on a plain light ground as JPEG, 960 x 1040; its cloth is a real photograph, its cut is drawn here.

    Source of the cloth: the Hubble eXtreme Deep Field, NASA and ESA
    (http://hubblesite.org/newscenter/archive/releases/2012/37/image/a/), as ``skimage/data/hubble_deep_field.jpg``.
    Licence: may be freely used, in the public domain.
    """
    silhouette = _silhouette()
    picture = Image.new("RGB", _SHIRT_SIZE, _BACKDROP)
    picture.paste((150, 148, 146), (0, 14), silhouette.filter(ImageFilter.GaussianBlur(18)).point(lambda a: a // 2))
    picture.paste(_add_trim(_cloth()), (0, 0), silhouette)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue()


def _load_photo(name: str) -> bytes:
    return (files("skimage.data") / name).read_bytes()


def _outline(half: tuple[tuple[float, float], ...], *, closed: bool) -> list[tuple[float, float]]:
    """The right half of an outline that starts in the middle becomes the whole one, in pixels."""
    right, left = _pair(half)
    return [*right, *reversed(left)] if closed else [*reversed(left), *right]


def _silhouette() -> Image.Image:
    """The shirt's area, drawn four times larger and reduced so that its edge is smooth."""
    large = Image.new("L", (_SHIRT_SIZE[0] * 4, _SHIRT_SIZE[1] * 4), 0)
    ImageDraw.Draw(large).polygon([(x * 4, y * 4) for x, y in _outline(_SHIRT_HALF, closed=True)], fill=255)
    # The blur and the steep ramp round the corners of the polygon as cloth would.
    rounded = large.filter(ImageFilter.GaussianBlur(22)).point(lambda a: max(0, min(255, (a - 118) * 13)))
    return rounded.resize(_SHIRT_SIZE, Image.Resampling.LANCZOS)


def _cloth() -> Image.Image:
    """The photograph brightened as a print would be, with the folds of cloth that lies flat."""
    sky = Image.open(io.BytesIO(_load_photo("hubble_deep_field.jpg"))).convert("RGB")
    side = min(sky.size)
    print_ = sky.crop((0, 0, round(side * _SHIRT_SIZE[0] / _SHIRT_SIZE[1]), side)).resize(_SHIRT_SIZE)
    lifted = 1 - (1 - np.asarray(print_, dtype=np.float64) / 255) ** 2.4
    dyed = lifted * 0.86 + np.array([0.085, 0.095, 0.185])
    shaded = dyed * _folds()[..., None]
    return Image.fromarray((np.clip(shaded, 0, 1) * 255).astype(np.uint8))


def _folds() -> NDArray[np.float64]:
    """Soft light and dark bands about 1.0, mostly downwards, from a fixed seed: the same shirt every time."""
    width, height = _SHIRT_SIZE
    grain = np.random.default_rng(_FOLD_SEED).normal(size=(5, 11))
    coarse = Image.fromarray(((grain - grain.min()) / np.ptp(grain) * 255).astype(np.uint8))
    smooth = coarse.resize((width, height), Image.Resampling.BICUBIC).rotate(6, Image.Resampling.BICUBIC, fillcolor=128)
    bands = np.asarray(smooth, dtype=np.float64) / 255 - 0.5
    across = np.abs(np.linspace(-1, 1, width))[None, :]
    return np.asarray(1.08 + 0.5 * bands - 0.22 * across**2)


def _add_trim(cloth: Image.Image) -> Image.Image:
    """Light ribbing at collar and cuffs and the seams, which make it look like a shirt."""
    ribbing = _draw_trim(
        [(_outline(_SHIRT_HALF[:_NECK_POINTS], closed=False), 64), *((cuff, 46) for cuff in _pair(_CUFF))]
    )
    seams = _draw_trim([(_outline(_HEM_SEAM, closed=False), 3), *((seam, 4) for seam in _pair(_ARMHOLE_SEAM))])
    darker = Image.blend(cloth, Image.new("RGB", _SHIRT_SIZE), 0.35)
    ribs = Image.blend(cloth, Image.new("RGB", _SHIRT_SIZE, _RIBBING), 0.85)
    return Image.composite(ribs, Image.composite(darker, cloth, seams), ribbing)


def _draw_trim(lines: list[tuple[list[tuple[float, float]], int]]) -> Image.Image:
    mask = Image.new("L", _SHIRT_SIZE, 0)
    for points, width in lines:
        ImageDraw.Draw(mask).line(points, fill=255, width=width, joint="curve")
    return mask.filter(ImageFilter.GaussianBlur(1.2))


def _pair(half: tuple[tuple[float, float], ...]) -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """A line on the right half of the shirt and its mirror image, in pixels."""
    width, height = _SHIRT_SIZE
    right = [(width / 2 * (1 + x), height * y) for x, y in half]
    return right, [(width - x, y) for x, y in right]
