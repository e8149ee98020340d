"""Prices are promises: each row of the published tables, and refusal where there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier_contracts.image_models import PIXELS_MAX
from atelier_pricing import REUSED_CREDITS, VERSION, NoPrice, Price, book_sha256, image_sizes, price, reuse_price
from atelier_pricing.book import IMAGE_TIERS


@pytest.mark.parametrize(
    ("kind", "quality", "size", "characters", "credits"),
    [
        ("try_on", None, None, 0, 1),
        ("product_shot", "standard", None, 0, 1),
        ("product_shot", "high", None, 0, 2),
        ("product_shot", "ultra", None, 0, 2),
        ("image", "low", "1024x1024", 0, 5),
        ("image", "low", "1792x1024", 0, 8),
        ("image", "low", "1024x1792", 0, 8),
        ("image", "standard", "256x256", 0, 3),
        ("image", "standard", "512x512", 0, 5),
        ("image", "standard", "1024x1024", 0, 10),
        ("image", "hd", "1024x1024", 0, 20),
        ("image", "standard", "1792x1024", 0, 15),
        ("image", "hd", "1024x1792", 0, 30),
        ("image", "xhigh", "1024x1024", 0, 30),
        ("image", "max", "1792x1024", 0, 60),
        ("image", "standard", "1536x864", 0, 15),
        ("image", "low", "704x1056", 0, 5),
        ("image", "standard", "2560x1440", 0, 30),
        ("image", "low", "2576x1440", 0, 30),
        ("image", "max", "2160x3840", 0, 240),
        ("on_model", "low", None, 0, 1),
        ("flat_lay", "high", None, 0, 3),
        ("narration", None, None, 1, 1),
        ("narration", None, None, 1_000, 1),
        ("narration", None, None, 1_001, 2),
    ],
)
def test_the_book_charges_what_the_tables_say(
    kind: str, quality: str | None, size: str | None, characters: int, credits: int
) -> None:
    quoted = price(kind, quality=quality, size=size, characters=characters)

    assert isinstance(quoted, Price)
    assert quoted.credits == credits


@pytest.mark.parametrize(
    ("kind", "quality", "size"),
    [
        ("image", "hd", "256x256"),
        ("image", "low", "256x256"),
        ("image", "standard", "1x1"),
        ("image", "standard", "1536x865"),
        ("image", "max", "512x512"),
        ("image", "high", "3840x2160"),
        ("hologram", None, None),
        ("on_model", "ultra", None),
        ("narration", None, None),
    ],
)
def test_what_the_book_does_not_know_is_refused_never_free(kind: str, quality: str | None, size: str | None) -> None:
    assert isinstance(price(kind, quality=quality, size=size), NoPrice)


@given(st.integers(min_value=1, max_value=10))
def test_n_pictures_cost_n_times_one(n: int) -> None:
    quoted = price("image", n=n)

    assert quoted == Price(unit_credits=10, units=n)


@given(st.integers(min_value=0, max_value=100))
def test_an_output_that_is_reused_costs_its_own_price_and_never_more_than_a_new_one(unit: int) -> None:
    assert reuse_price(unit) == (REUSED_CREDITS if unit else 0)


def test_a_book_that_changes_gets_another_version() -> None:
    """Receipts name the hash: under one version there is one book."""
    assert book_sha256(VERSION) == {"v3": "84ea4acaa892b7424aa709252a0e3315c375ff52c82d44a34c8dac128339033c"}[VERSION]
    assert book_sha256("v2") == "9c0edacb90381b1da40d8db571d8d4afb37db4763eb501e59c4f29a92827a92e"
    assert book_sha256("v1") is None


BEFORE_V3 = {
    "256x256": {"standard": 3},
    "512x512": {"standard": 5},
    "1024x1024": {"low": 5, "standard": 10, "hd": 20},
    "1792x1024": {"low": 8, "standard": 15, "hd": 30},
    "1024x1792": {"low": 8, "standard": 15, "hd": 30},
}


def test_no_price_of_an_earlier_book_has_changed_and_no_other_size_is_chosen_for_an_edit() -> None:
    for size, tariff in BEFORE_V3.items():
        for quality, credits in tariff.items():
            assert price("image", size=size, quality=quality) == Price(credits, 1)
    assert image_sizes() == list(BEFORE_V3)


def test_more_pixels_and_a_finer_quality_never_cost_less() -> None:
    tiers = [list(tariff.values()) for _, tariff in IMAGE_TIERS]

    assert [list(tariff) for _, tariff in IMAGE_TIERS] == [["low", "standard", "hd", "xhigh", "max"]] * len(tiers)
    assert all(tariff == sorted(tariff) for tariff in tiers)
    assert all(list(column) == sorted(column) for column in zip(*tiers, strict=True))
    assert [pixels for pixels, _ in IMAGE_TIERS] == sorted(pixels for pixels, _ in IMAGE_TIERS)
    assert IMAGE_TIERS[-1][0] == PIXELS_MAX
