"""Which sizes beside the standard ones can be ordered."""

import pytest

from atelier_contracts.image_models import is_any_size


@pytest.mark.parametrize(
    "size",
    ["1536x864", "864x1536", "1024x640", "1792x1024", "2304x768", "1024x1024", "2560x1440", "3840x2160", "2160x3840"],
)
def test_multiples_of_sixteen_within_shape_and_area_are_made(size: str) -> None:
    assert is_any_size(size)


@pytest.mark.parametrize(
    "size",
    [
        "",
        "1024",
        "1536x865",
        "256x256",
        "3856x2144",
        "3840x2176",
        "4096x1408",
        "2320x768",
        "01024x640",
        "-1024x-640",
        "1024x640x2",
        "١٠٢٤x640",
    ],
)
def test_anything_else_is_not(size: str) -> None:
    assert not is_any_size(size)
