"""Prices are promises: each row of the published tables, and refusal where there is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atelier_pricing import REUSED_CREDITS, VERSION, NoPrice, Price, book_sha256, price, reuse_price


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
    assert book_sha256(VERSION) == {"v2": "9c0edacb90381b1da40d8db571d8d4afb37db4763eb501e59c4f29a92827a92e"}[VERSION]
    assert book_sha256("v1") is None
