"""Every kind of picture is decided by each of its inputs, and by nothing else; it shows what it says."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from atelier_imaging import CompositionSpec, EncodedPicture, ImageWorkers
from atelier_imaging.composition import compose
from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.geometry import Pixels

from .conftest import add_grain, encode_image

RED, BLUE = (180, 30, 40), (30, 60, 170)
Shirt = Callable[..., bytes]
RolePhotos = list[tuple[str, Photo]]
Ordered = Callable[[str], Pixels]

ORDERS = {
    "words": CompositionSpec("image", 7, width=320, height=256, prompt="mountains above a lake", style="natural"),
    "edit": CompositionSpec("image", 7, width=320, height=256, prompt="a red sunset", style="natural"),
    "variation": CompositionSpec("image", 7, width=320, height=256, style="natural"),
    "product_shot": CompositionSpec(
        "product_shot", 7, width=320, height=256, prompt="a summer mood", style="realistic"
    ),
    "worn": CompositionSpec("product_shot", 7, width=320, height=256, prompt="a summer mood", style="realistic"),
    "on_model": CompositionSpec("on_model", 7, width=256, height=384, prompt="calm", mannequin="123", background="456"),
    "flat_lay": CompositionSpec("flat_lay", 7, width=320, height=256, prompt="calm", background="458"),
    "try_on": CompositionSpec("try_on", 7, prompt="loose"),
}

IMAGES = ("words", "edit", "variation")


def photo(data: bytes) -> Photo:
    parse_prompt = normalise(data)
    assert isinstance(parse_prompt, Photo)
    return parse_prompt


@pytest.fixture(scope="module")
def inputs(person: bytes, shirt: Shirt) -> dict[str, RolePhotos]:
    red, blue, someone = photo(shirt(RED)), photo(shirt(BLUE)), photo(person)
    return {
        "words": [],
        "edit": [("image", someone)],
        "variation": [("image", someone)],
        "product_shot": [("product", red), ("product", blue)],
        "worn": [("product", red), ("model", someone)],
        "on_model": [("photo", red), ("photo", blue)],
        "flat_lay": [("photo", red), ("photo", blue)],
        "try_on": [("person", someone), ("garment", red)],
    }


@pytest.fixture(scope="module")
def ordered(inputs: dict[str, RolePhotos]) -> Ordered:
    """The picture of an order as it stands, made once for all tests that compare with it."""

    @cache
    def compose_once(kind: str) -> Pixels:
        return compose(ORDERS[kind], inputs[kind])

    return compose_once


def differ(one: Pixels, other: Pixels) -> float:
    """The share of pixels that are not the same."""
    assert one.shape == other.shape
    return float((one != other).any(axis=2).mean())


def darken(photograph: Photo) -> Photo:
    return replace(photograph, straight=np.asarray(photograph.straight * 0.7, np.uint8))


@pytest.mark.parametrize("kind", ORDERS)
def test_the_same_order_gives_the_same_pixels_in_the_size_ordered(
    kind: str, inputs: dict[str, RolePhotos], ordered: Ordered
) -> None:
    spec = ORDERS[kind]

    first, second = ordered(kind), compose(spec, inputs[kind])

    assert np.array_equal(first, second)
    assert kind == "try_on" or first.shape == (spec.height, spec.width, 3)


@pytest.mark.parametrize("kind", ORDERS)
def test_another_seed_gives_another_picture(kind: str, inputs: dict[str, RolePhotos], ordered: Ordered) -> None:
    assert differ(ordered(kind), compose(replace(ORDERS[kind], seed=8), inputs[kind])) > 0.05


@pytest.mark.parametrize("kind", [kind for kind in ORDERS if kind != "variation"])
def test_another_prompt_gives_another_picture(kind: str, inputs: dict[str, RolePhotos], ordered: Ordered) -> None:
    assert differ(ordered(kind), compose(replace(ORDERS[kind], prompt="green night"), inputs[kind])) > 0.05


@pytest.mark.parametrize(
    ("kind", "field", "other"),
    [
        *((kind, "style", style) for kind in IMAGES for style in ("vivid", "artistic", "photographic")),
        *((kind, "quality", "hd") for kind in IMAGES),
        *((kind, "style", style) for kind in ("product_shot", "worn") for style in ("artistic", "minimal")),
        ("product_shot", "quality", "ultra"),
        ("on_model", "mannequin", "125"),
        ("on_model", "background", "459"),
        ("on_model", "quality", "low"),
        ("flat_lay", "background", "461"),
    ],
)  # fmt: skip
def test_every_choice_shows(kind: str, field: str, other: str, inputs: dict[str, RolePhotos], ordered: Ordered) -> None:
    spec: Any = ORDERS[kind]

    assert differ(ordered(kind), compose(replace(spec, **{field: other}), inputs[kind])) > 0.02


@pytest.mark.parametrize(("kind", "place"), [(kind, place) for kind in ORDERS if kind != "words" for place in (0, 1)])
def test_every_photograph_shows(kind: str, place: int, inputs: dict[str, RolePhotos], ordered: Ordered) -> None:
    photos = list(inputs[kind])
    if place < len(photos):
        before = ordered(kind)
    else:
        photos.append(("image", photos[0][1]))
        before = compose(ORDERS[kind], photos)

    role, photograph = photos[place]
    photos[place] = (role, darken(photograph))

    assert differ(before, compose(ORDERS[kind], photos)) > 0.01


def test_outside_of_the_mask_no_pixel_changes_and_inside_nearly_all_do(person: bytes) -> None:
    before = photo(person)
    cut = Image.new("RGBA", before.rgb.shape[1::-1], (0, 0, 0, 255))
    ImageDraw.Draw(cut).rectangle((50, 300, 250, 450), fill=(0, 0, 0, 0))
    mask = photo(encode_image(cut))

    after = compose(CompositionSpec("image", 1, prompt="red flowers"), [("image", before), ("mask", mask)])

    assert mask.alpha is not None
    changed = (after != before.rgb).any(axis=2)
    assert not changed[mask.alpha == 255].any()
    assert changed[mask.alpha == 0].mean() > 0.9


def test_an_opaque_mask_is_read_by_its_light_and_a_black_one_changes_nothing(person: bytes) -> None:
    before = photo(person)
    size = before.rgb.shape[1::-1]
    light = Image.new("RGB", size)
    ImageDraw.Draw(light).rectangle((0, 0, size[0], 99), fill=(255, 255, 255))
    spec = CompositionSpec("image", 1, prompt="red flowers")

    after = compose(spec, [("image", before), ("mask", photo(encode_image(light)))])
    untouched = compose(spec, [("image", before), ("mask", photo(encode_image(Image.new("RGB", size))))])

    assert np.array_equal(after[100:], before.rgb[100:])
    assert differ(after[:100], before.rgb[:100]) > 0.9
    assert np.array_equal(untouched, before.rgb)


@pytest.mark.parametrize("kind", [kind for kind in ORDERS if kind != "words"])
def test_the_colour_hidden_under_full_transparency_changes_nothing(kind: str, inputs: dict[str, RolePhotos]) -> None:
    def cut_out(hidden: tuple[int, int, int]) -> RolePhotos:
        cut = []
        for role, photo_ in inputs[kind]:
            pixels = np.dstack([photo_.rgb, np.full(photo_.rgb.shape[:2], 255, np.uint8)])
            pixels[:40, :, 3], pixels[:40, :, :3] = 0, hidden
            cut.append((role, photo(encode_image(Image.fromarray(pixels)))))
        return cut

    magenta, black = (compose(ORDERS[kind], cut_out(hidden)) for hidden in ((255, 0, 255), (0, 0, 0)))

    assert np.array_equal(magenta, black)


def test_a_variation_of_a_cut_out_is_one_of_the_same_on_white(person: bytes) -> None:
    pixels = np.dstack([photo(person).rgb, np.full(photo(person).rgb.shape[:2], 255, np.uint8)])
    pixels[:80] = (255, 0, 255, 0)
    white = pixels[..., :3].copy()
    white[:80] = 255

    cut_out, on_white = (
        compose(ORDERS["variation"], [("image", photo(encode_image(Image.fromarray(image))))])
        for image in (pixels, white)
    )

    assert np.array_equal(cut_out, on_white)


def test_a_variation_is_another_picture_of_related_colours(person: bytes) -> None:
    before = photo(person).rgb

    after = compose(CompositionSpec("image", 3), [("image", photo(person))])

    assert differ(before, after) > 0.9
    assert np.abs(before.mean(axis=(0, 1)) - after.mean(axis=(0, 1))).max() < 45


@pytest.mark.parametrize(
    ("prompt", "darker_than"), [("city at night", "city on a sunny day"), ("sea at midnight", "sea at noon")]
)
def test_the_hour_named_is_the_light_shown(prompt: str, darker_than: str) -> None:
    dark, bright = (
        compose(CompositionSpec("image", 5, width=256, height=256, prompt=words), []).mean()
        for words in (prompt, darker_than)
    )

    assert dark < bright - 50


@pytest.mark.parametrize(("colour", "channel"), [("red", 0), ("green", 1), ("blue", 2)])
def test_a_colour_named_prevails(colour: str, channel: int) -> None:
    def channel_excess(word: str) -> float:
        orders = (
            CompositionSpec("image", seed, width=192, height=192, prompt=f"{word} abstract pattern")
            for seed in (5, 6, 7)
        )
        means = [compose(spec, []).mean(axis=(0, 1)) for spec in orders]
        return float(np.mean([mean[channel] - mean.mean() for mean in means]))

    assert channel_excess(colour) > channel_excess("grey")


@pytest.mark.parametrize("style", ["realistic", "artistic", "minimal"])
def test_a_product_stands_in_the_middle_of_its_set_without_its_own_ground(style: str, shirt: Shirt) -> None:
    spec = CompositionSpec("product_shot", 2, width=400, height=400, style=style, quality="high")

    shot = compose(spec, [("product", photo(shirt(RED)))])

    middle = shot[180:220, 180:220].reshape(-1, 3).mean(axis=0)
    assert middle[0] > middle[1] + 60
    assert np.abs(middle - RED).max() < 60


def test_a_mannequin_wears_the_shirt_on_its_chest(shirt: Shirt) -> None:
    spec = CompositionSpec("on_model", 2, width=400, height=600, mannequin="123", background="bg_studio_white")

    shot = compose(spec, [("photo", photo(shirt(RED)))])

    chest, head, wall = (
        shot[row - 8 : row + 8, column - 8 : column + 8].reshape(-1, 3).mean(axis=0)
        for row, column in ((220, 200), (115, 200), (220, 40))
    )
    assert chest[0] > chest[1] + 60
    assert wall.min() > 190
    assert np.abs(head - wall).max() > 20


def test_what_cannot_be_cut_out_lies_there_as_a_print() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (200, 300, 3), dtype=np.uint8)
    crowd = photo(encode_image(add_grain(Image.fromarray(noise))))

    shot = compose(CompositionSpec("flat_lay", 1, width=300, height=300, background="458"), [("photo", crowd)])

    assert (shot.min(axis=2) > 225).sum() > 300


@pytest.mark.parametrize("kind", ["product_shot", "on_model", "flat_lay", "edit", "variation"])
@pytest.mark.parametrize("size", [(1, 1), (900, 3), (64, 64)])
def test_pictures_of_odd_sizes_and_one_colour_are_composed_too(kind: str, size: tuple[int, int]) -> None:
    odd = photo(encode_image(Image.new("RGB", size, (120, 90, 60))))
    role = {"product_shot": "product", "edit": "image", "variation": "image"}.get(kind, "photo")

    assert compose(ORDERS[kind], [(role, odd)]).shape == (ORDERS[kind].height, ORDERS[kind].width, 3)


async def test_children_compose_the_same_bytes_in_every_format(shirt: Shirt) -> None:
    workers = ImageWorkers(workers=2)
    try:
        for image_format in ("png", "jpeg", "webp", "avif"):
            spec = replace(ORDERS["flat_lay"], image_format=image_format)
            made = [await workers.compose(spec, [("photo", shirt(RED))]) for _ in range(2)]

            assert isinstance(made[0], EncodedPicture)
            assert made[0] == made[1]
            assert made[0].content_type == f"image/{image_format}"
    finally:
        await workers.close()
