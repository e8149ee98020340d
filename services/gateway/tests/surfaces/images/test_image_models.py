"""Seed 003's tables: what each model makes, how styles are mapped, what has a price."""

from datetime import date
from typing import Any

import pytest

from atelier_gateway.generations.image_models import (
    MODELS,
    ImageModel,
    ResolvedModel,
    UnsupportedModelOption,
    cheaper,
    default_model,
    resolve,
)
from atelier_pricing import Price, price

SEED_TABLE = {
    "dall-e-3": {"1024x1024", "1792x1024", "1024x1792"},
    "dall-e-2": {"256x256", "512x512", "1024x1024"},
    "imagen": {"1024x1024", "1792x1024", "1024x1792"},
}
ALL_SIZES = ("256x256", "512x512", "1024x1024", "1792x1024", "1024x1792")
COSTS = {
    ("256x256", "standard"): 3,
    ("512x512", "standard"): 5,
    ("1024x1024", "standard"): 10,
    ("1024x1024", "hd"): 20,
    ("1792x1024", "standard"): 15,
    ("1792x1024", "hd"): 30,
    ("1024x1792", "standard"): 15,
    ("1024x1792", "hd"): 30,
}


@pytest.mark.parametrize("model", SEED_TABLE)
@pytest.mark.parametrize("size", ALL_SIZES)
def test_a_size_is_checked_against_the_model(model: str, size: str) -> None:
    """003.1 Size Support by Provider."""
    made = resolve(model=model, size=size)

    if size in SEED_TABLE[model]:
        assert isinstance(made, ResolvedModel) and made.size == size
    else:
        assert isinstance(made, UnsupportedModelOption) and made.field == "size" and size in made.message


@pytest.mark.parametrize(("size", "quality"), COSTS)
def test_a_picture_costs_what_the_table_says(size: str, quality: str) -> None:
    """003.3 Credit Costs."""
    model = "dall-e-2" if size in SEED_TABLE["dall-e-2"] else "dall-e-3"
    made = resolve(model=model, size=size, quality=quality)

    assert isinstance(made, ResolvedModel)
    assert price("image", size=made.priced_size, quality=made.quality, n=3) == Price(COSTS[size, quality], 3)


@pytest.mark.parametrize("size", ["256x256", "512x512"])
def test_hd_is_refused_where_the_table_says_not_available(size: str) -> None:
    """003.3 hd where the table says N/A is refused, never priced otherwise."""
    assert resolve(model="dall-e-2", size=size, quality="hd") == UnsupportedModelOption(
        "quality", f"hd is not available at {size}"
    )


@pytest.mark.parametrize(
    ("style", "openai"),
    [("natural", "natural"), ("vivid", "vivid"), ("artistic", "vivid"), ("photographic", "natural")],
)
def test_styles_are_mapped_as_the_seed_says(style: str, openai: str) -> None:
    """003.6 Style Mapping."""
    made, googles = resolve(style=style), resolve(provider="google", style=style)

    assert isinstance(made, ResolvedModel) and made.style == openai
    assert isinstance(googles, ResolvedModel) and googles.style == style


def test_what_is_left_open_is_filled_in() -> None:
    """003.1 Each provider has a default model; DALL-E 3 makes 1024x1024 by default."""
    successor = "gpt-image-2.6-flare"
    assert resolve() == ResolvedModel("openai", "dall-e-3", "1024x1024", "1024x1024", "standard", None, successor)
    assert resolve(provider="google") == ResolvedModel("google", "imagen", "1024x1024", "1024x1024", "standard", None)
    assert resolve(model="imagen") == resolve(provider="google")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"provider": "acme"}, "provider"),
        ({"model": "dall-e-9"}, "model"),
        ({"provider": "google", "model": "dall-e-3"}, "model"),
        ({"style": "baroque"}, "style"),
        ({"quality": "ultra"}, "quality"),
    ],
)
def test_a_refusal_names_the_field(asked: dict[str, Any], field: str) -> None:
    """003.4 Field-level messages."""
    refused = resolve(**asked)

    assert isinstance(refused, UnsupportedModelOption) and refused.field == field


def test_every_model_has_a_price_for_each_of_its_sizes() -> None:
    """003.3 An unpriced request is refused: the tables offer none."""
    for name, model in MODELS.items():
        for size in model.sizes:
            assert isinstance(resolve(model=name, size=size), ResolvedModel), (name, size)


LAST_DAY, GONE = date(2026, 11, 30), date(2026, 12, 1)


def test_a_model_is_succeeded_from_the_day_it_is_gone_and_not_before() -> None:
    before, after = (resolve(model="gpt-image-1.5", quality="high", today=day) for day in (LAST_DAY, GONE))

    assert isinstance(before, ResolvedModel) and (before.model, before.successor) == ("gpt-image-1.5", None)
    assert isinstance(after, ResolvedModel) and (after.model, after.successor) == (
        "gpt-image-1.5",
        "gpt-image-2.6-flare",
    )


def test_what_the_successor_makes_larger_and_dearer_costs_what_the_withdrawn_model_cost() -> None:
    """256x256 of dall-e-2 is cut down from 1024x1024 of its successor, which has a price of 10."""
    made = resolve(model="dall-e-2", size="256x256", today=GONE)

    assert isinstance(made, ResolvedModel) and made.successor == "gpt-image-2.6-flare"
    assert price("image", size=made.priced_size, quality=made.quality) == Price(3, 1)


FINE = ImageModel("openai", {"1024x1024": "1024x1024"}, {"standard": "hd"})
PLAIN = ImageModel("openai", {"1024x1024": "1024x1024"}, {"standard": "standard"})
LARGER = ImageModel("openai", {"1792x1024": "1792x1024"}, {"standard": "standard"})
SMALL = ImageModel("openai", {"256x256": "256x256"}, {"hd": "hd"})


@pytest.mark.parametrize(
    ("named", "maker", "charged"),
    [
        (FINE, PLAIN, ("1024x1024", "standard")),
        (PLAIN, FINE, ("1024x1024", "standard")),
        (PLAIN, LARGER, ("1024x1024", "standard")),
        (SMALL, PLAIN, None),
    ],
    ids=["the maker's is lower", "the named one's is lower", "the maker has none", "the named one has none"],
)
def test_the_lower_of_two_prices_is_charged(
    named: ImageModel, maker: ImageModel, charged: tuple[str, str] | None
) -> None:
    assert cheaper(named, maker, "1024x1024", "standard") == charged


@pytest.mark.parametrize(
    ("size", "model"),
    [
        (None, "gpt-image-2.6-flare"),
        ("1536x1024", "gpt-image-2.6-flare"),
        ("256x256", "dall-e-2"),
        ("1792x1024", "dall-e-3"),
        ("3x3", "gpt-image-2.6-flare"),
    ],
)
def test_who_names_no_model_gets_the_recommended_one_that_makes_the_size(size: str | None, model: str) -> None:
    assert default_model("openai", size) == model
