"""Small pictures of every kind from photographs that scikit-image carries: ``python -m atelier_imaging.samples
DIR``."""

import argparse
import io
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from atelier_imaging.composition import RolePhotos, compose
from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.pictures import CompositionSpec, ImageRefused

SIDE_PX = 640
BYTES_MAX = 60_000
QUALITIES = (88, 80, 72, 64, 56, 48, 40, 32)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--garment", type=Path, help="photograph of a garment on plain ground, instead of a drawn one")
    arguments = options.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    garment = _read(arguments.garment.read_bytes()) if arguments.garment else shirt_of_stars()
    for name, (spec, role_photos) in orders(garment).items():
        (arguments.folder / f"{name}.jpg").write_bytes(_small(compose(spec, role_photos)))


def orders(garment: Photo) -> dict[str, tuple[CompositionSpec, RolePhotos]]:
    """What is made, by file name."""
    person, cup, snake = (load_packaged_photo(name) for name in ("astronaut.png", "coffee.png", "logo.png"))
    words = "snowy mountains above a lake at sunset"
    return {
        "try_on": (CompositionSpec("try_on", 1), [("person", person), ("garment", garment)]),
        "image": (CompositionSpec("image", 11, width=1536, height=1024, prompt=words, style="photographic"), []),
        "image_vivid": (
            CompositionSpec("image", 2, width=1024, height=1024, prompt="city skyline at night", style="vivid"),
            [],
        ),
        "image_artistic": (
            CompositionSpec(
                "image", 3, width=1024, height=1024, prompt="balloon over a field of red tulips", style="artistic"
            ),
            [],
        ),
        "edit": (
            CompositionSpec("image", 1, width=512, height=512, prompt="a sailing boat on the sea at sunset"),
            [("image", person), ("mask", _oval(person, (330, 60, 500, 380)))],
        ),
        "variation": (CompositionSpec("image", 2), [("image", cup)]),
        "product_realistic": (
            CompositionSpec("product_shot", 3, width=1024, height=1024, style="realistic", quality="high"),
            [("product", snake)],
        ),
        "product_artistic": (
            CompositionSpec("product_shot", 3, width=1536, height=1024, style="artistic", quality="high"),
            [("product", garment)],
        ),
        "product_minimal": (
            CompositionSpec("product_shot", 3, width=1024, height=1024, style="minimal", quality="high"),
            [("product", garment)],
        ),
        "on_model": (
            CompositionSpec("on_model", 3, width=1024, height=1536, mannequin="125", background="458", quality="high"),
            [("photo", garment)],
        ),
        "flat_lay": (
            CompositionSpec("flat_lay", 5, width=1536, height=1024, background="461", quality="high"),
            [("photo", garment), ("photo", snake), ("photo", cup)],
        ),
    }


def load_packaged_photo(name: str) -> Photo:
    """A photograph out of the scikit-image wheel."""
    return _read((files("skimage.data") / name).read_bytes())


def shirt_of_stars() -> Photo:
    """A T-shirt cut from a photograph of stars, lying on plain ground."""
    cloth = cv2.resize(load_packaged_photo("hubble_deep_field.jpg").rgb, (900, 960), interpolation=cv2.INTER_AREA)
    dyed = 255 * (1 - (1 - cloth / 255.0) ** 2.2) * 0.86 + np.array((22, 25, 47))
    half = ((0, 0.13), (0.1, 0.12), (0.21, 0.05), (0.42, 0.08), (0.62, 0.16), (0.94, 0.40), (0.73, 0.51), (0.57, 0.40),
            (0.575, 0.95), (0, 0.965))  # fmt: skip
    right = [((1 + x) * 450, y * 960) for x, y in half]
    outline = np.array([*right, *((900 - x, y) for x, y in reversed(right))], np.int32)
    mask = np.zeros((960, 900), np.float32)
    cv2.fillPoly(mask, [outline], 1.0)
    mask = np.clip((cv2.GaussianBlur(mask, (0, 0), 9) - 0.5) * 6 + 0.5, 0, 1)[..., None]
    neck = np.array([*((450 - (x - 450), y) for x, y in reversed(right[:3])), *right[:3]], np.int32)
    collar = cv2.polylines(np.zeros((960, 900), np.float32), [neck], False, 1.0, 52, cv2.LINE_AA)[..., None]
    dyed = np.clip(dyed, 0, 255) * (1 - collar) + np.array((176, 184, 210)) * collar
    lying = np.array((236, 235, 232)) * (1 - mask) + dyed * mask
    return _read(_png(lying.astype(np.uint8)))


def _oval(like: Photo, box: tuple[int, int, int, int]) -> Photo:
    """A mask as clients send it: transparent where it is to be repainted."""
    left, top, right, bottom = box
    alpha = np.full(like.rgb.shape[:2], 255, np.uint8)
    middle, half = ((left + right) // 2, (top + bottom) // 2), ((right - left) // 2, (bottom - top) // 2)
    cv2.ellipse(alpha, middle, half, 0, 0, 360, 0, -1)
    return _read(_png(np.dstack([like.rgb, alpha])))


def _png(pixels: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def _read(data: bytes) -> Photo:
    photo = normalise(data)
    if isinstance(photo, ImageRefused):
        raise SystemExit(photo.message)
    return photo


def _small(rgb: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """A JPEG of at most 60 kB, as good as that allows."""
    picture = Image.fromarray(rgb)
    picture.thumbnail((SIDE_PX, SIDE_PX), Image.Resampling.LANCZOS)
    for quality in QUALITIES:
        out = io.BytesIO()
        picture.save(out, "JPEG", quality=quality, optimize=True)
        if out.tell() <= BYTES_MAX:
            break
    return out.getvalue()


if __name__ == "__main__":
    main()
