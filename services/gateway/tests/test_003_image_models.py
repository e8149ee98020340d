"""Seed 003's tables: what each model makes, how styles are mapped, what has a price."""

import pytest

from atelier_gateway.image_models import MODELS, Resolved, Unsupported, resolve
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
        assert isinstance(made, Resolved) and made.size == size
    else:
        assert isinstance(made, Unsupported) and made.field == "size" and size in made.message


@pytest.mark.parametrize(("size", "quality"), COSTS)
def test_a_picture_costs_what_the_table_says(size: str, quality: str) -> None:
    """003.3 Credit Costs."""
    model = "dall-e-2" if size in SEED_TABLE["dall-e-2"] else "dall-e-3"
    made = resolve(model=model, size=size, quality=quality)

    assert isinstance(made, Resolved)
    assert price("image", size=made.priced_size, quality=made.quality, n=3) == Price(COSTS[size, quality], 3)


@pytest.mark.parametrize("size", ["256x256", "512x512"])
def test_hd_is_refused_where_the_table_says_not_available(size: str) -> None:
    """003.3 hd where the table says N/A is refused, never priced otherwise."""
    assert resolve(model="dall-e-2", size=size, quality="hd") == Unsupported(
        "quality", f"hd is not available at {size}"
    )


@pytest.mark.parametrize(
    ("style", "openai"),
    [("natural", "natural"), ("vivid", "vivid"), ("artistic", "vivid"), ("photographic", "natural")],
)
def test_styles_are_mapped_as_the_seed_says(style: str, openai: str) -> None:
    """003.6 Style Mapping."""
    made, googles = resolve(style=style), resolve(provider="google", style=style)

    assert isinstance(made, Resolved) and made.style == openai
    assert isinstance(googles, Resolved) and googles.style == style


def test_what_is_left_open_is_filled_in() -> None:
    """003.1 Each provider has a default model; DALL-E 3 makes 1024x1024 by default."""
    assert resolve() == Resolved("openai", "dall-e-3", "1024x1024", "1024x1024", "standard", None)
    assert resolve(provider="google") == Resolved("google", "imagen", "1024x1024", "1024x1024", "standard", None)
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
def test_a_refusal_names_the_field(asked: dict[str, str], field: str) -> None:
    """003.4 Field-level messages."""
    refused = resolve(**asked)

    assert isinstance(refused, Unsupported) and refused.field == field


def test_every_model_has_a_price_for_each_of_its_sizes() -> None:
    """003.3 An unpriced request is refused: the tables offer none."""
    for name, model in MODELS.items():
        for size in model.sizes:
            assert isinstance(resolve(model=name, size=size), Resolved), (name, size)
