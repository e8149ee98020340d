"""A try-on picture shows the person in the garment, and is decided by every input and nothing else."""

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from atelier_imaging.decoder import Photo, normalise
from atelier_imaging.garment import cut_out
from atelier_imaging.geometry import Pixels
from atelier_imaging.try_on import try_on

from .conftest import encode_image

RED, BLUE = (180, 30, 40), (30, 60, 170)
Shirt = Callable[..., bytes]


def photo(data: bytes) -> Photo:
    parse_prompt = normalise(data)
    assert isinstance(parse_prompt, Photo)
    return parse_prompt


def at(picture: Pixels, x: int, y: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """The mean colour about a point given in pixels of the 400 x 520 person photo."""
    scale = picture.shape[1] / 400
    row, column, reach = int(y * scale), int(x * scale), int(12 * scale)
    about = picture[row - reach : row + reach, column - reach : column + reach]
    return np.asarray(about.reshape(-1, 3).mean(axis=0))


@pytest.fixture(scope="module")
def in_red_and_blue(person: bytes, shirt: Shirt) -> Pixels:
    """The person in both shirts, what every change of an input is compared with."""
    return try_on(photo(person), [photo(shirt(RED)), photo(shirt(BLUE))], seed=7)


def test_the_garment_is_on_the_chest_and_the_head_is_as_it_was(person: bytes, shirt: Shirt) -> None:
    picture = try_on(photo(person), [photo(shirt(RED))], seed=1)
    original = photo(person).rgb

    assert np.abs(at(picture, 200, 350) - RED).max() < 40
    assert np.abs(at(picture, 200, 110) - at(original, 200, 110)).max() < 4
    assert np.abs(at(picture, 30, 60) - at(original, 30, 60)).max() < 4


def test_the_same_inputs_give_the_same_pixels(person: bytes, shirt: Shirt) -> None:
    first, second = (try_on(photo(person), [photo(shirt(RED))], seed=7) for _ in range(2))

    assert np.array_equal(first, second)


@pytest.mark.parametrize("changed", ["person", "garment", "second garment", "seed"])
def test_every_input_decides_over_the_picture(
    changed: str, person: bytes, shirt: Shirt, in_red_and_blue: Pixels
) -> None:
    mirrored = encode_image(ImageOps.mirror(Image.fromarray(photo(person).rgb)))

    other = try_on(
        photo(mirrored if changed == "person" else person),
        [
            photo(shirt(BLUE if changed == "garment" else RED)),
            photo(shirt(RED if changed == "second garment" else BLUE)),
        ],
        seed=8 if changed == "seed" else 7,
    )

    assert other.shape == in_red_and_blue.shape
    assert (other != in_red_and_blue).any(axis=2).mean() > 0.01


def test_a_second_garment_is_worn_open_over_the_first(in_red_and_blue: Pixels) -> None:
    middle, side = at(in_red_and_blue, 200, 400), at(in_red_and_blue, 275, 400)

    assert middle[0] > middle[2] + 60
    assert side[2] > side[0] + 60


def test_trousers_that_a_bust_cannot_wear_are_shown_beside_it(person: bytes, trousers: bytes) -> None:
    picture = try_on(photo(person), [photo(trousers)], seed=1)

    corner = picture[-picture.shape[1] // 4 :]
    blue = (corner[..., 2] > 110) & (corner[..., 0] < 90)

    assert cut_out(photo(trousers)).zone == "lower"
    assert blue.mean() > 0.02
    assert np.abs(at(picture, 200, 300) - at(photo(person).rgb, 200, 300)).max() < 4


@pytest.mark.parametrize("shade", [(250, 250, 250), (222, 222, 224), (180, 30, 40), (20, 20, 20)])
def test_a_garment_is_told_from_its_plain_ground(shade: tuple[int, int, int], shirt: Shirt) -> None:
    garment = cut_out(photo(shirt(shade)))

    assert garment.zone == "upper"
    assert garment.alpha.shape == pytest.approx((295, 270), rel=0.06)
    assert garment.sleeves is not None


def test_a_picture_of_nothing_but_cloth_is_cut_as_a_shirt() -> None:
    cloth = np.random.default_rng(4).integers(0, 255, (200, 200, 3), dtype=np.uint8)

    garment = cut_out(photo(encode_image(Image.fromarray(cloth))))

    assert garment.zone == "upper"
    assert garment.sleeves is not None
    assert garment.alpha[-1, 0] < 0.5 < garment.alpha[-10, 100]


def test_alpha_tells_the_garment_where_there_is_one(shirt: Shirt) -> None:
    image = Image.new("RGBA", (200, 200), (90, 90, 90, 0))
    image.paste((200, 20, 20, 255), (50, 40, 150, 190))

    garment = cut_out(photo(encode_image(image)))

    assert garment.alpha.shape == (150, 100)
    assert np.abs(garment.rgb.astype(int) - (200, 20, 20)).max() <= 1


@pytest.mark.parametrize("size", [(1, 1), (3000, 3), (3, 3000), (64, 64)])
def test_pictures_of_odd_sizes_are_dressed_too(size: tuple[int, int], shirt: Shirt) -> None:
    odd = photo(encode_image(Image.new("RGB", size, (120, 90, 60))))

    assert max(try_on(odd, [photo(shirt(RED))], seed=1).shape) <= 1536
    assert max(try_on(odd, [odd], seed=1).shape) <= 1536
