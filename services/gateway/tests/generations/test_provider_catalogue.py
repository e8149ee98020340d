"""Which requests can be done, by what the configured providers offer."""

import pytest

from atelier_contracts import InputRef, RenderSpec
from atelier_gateway.generations.provider_catalogue import ProviderOffer, UnsupportedOption, find_unsupported

ROWS = (
    ProviderOffer("openai", "image", models=("dall-e-3",), modes=("words",), sizes=("1024x1024",), n_max=1),
    ProviderOffer(
        "openai", "image", models=("gpt-image-2",), modes=("words", "edit"), sizes=("1024x1024", "1536x1024")
    ),
    ProviderOffer(
        "google", "image", models=("imagen",), modes=("words",), sizes=("1024x1024",), formats=("png",), n_max=4
    ),
)
ANYTHING = ProviderOffer("local", "image")
PICTURE = (InputRef(role="image", key="k"),)


def spec(**asked: object) -> RenderSpec:
    return RenderSpec.model_validate({"kind": "image", "prompt": "a cat"} | asked)


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"model": "gpt-image-2", "size": "1536x1024", "n": 10},
        {"provider": "openai", "inputs": PICTURE},
        {"provider": "google", "n": 4},
    ],
)
def test_what_one_row_covers_is_not_objected_to(asked: dict[str, object]) -> None:
    assert find_unsupported(spec(**asked), ROWS) is None


@pytest.mark.parametrize(
    ("asked", "field", "told"),
    [
        ({"kind": "narration"}, "kind", "nobody here makes narration"),
        ({"provider": "acme"}, "provider", "openai, google"),
        ({"model": "dall-e-9"}, "model", "dall-e-3, gpt-image-2, imagen"),
        ({"provider": "google", "model": "gpt-image-2"}, "model", "one of imagen"),
        ({"model": "dall-e-3", "inputs": PICTURE}, "mode", "one of words"),
        ({"prompt": None, "inputs": PICTURE}, "mode", "words, edit"),
        ({"size": "256x256"}, "size", "1024x1024, 1536x1024"),
        ({"model": "dall-e-3", "size": "1536x1024"}, "size", "one of 1024x1024"),
        ({"provider": "google", "format": "webp"}, "format", "one of png"),
        ({"model": "dall-e-3", "n": 2}, "n", "at most 1"),
    ],
)
def test_what_nobody_makes_is_told_with_its_field_and_what_is_offered(
    asked: dict[str, object], field: str, told: str
) -> None:
    found = find_unsupported(spec(**asked), ROWS)

    assert isinstance(found, UnsupportedOption) and found.field == field
    assert told in found.message


def test_an_empty_list_takes_anything() -> None:
    assert find_unsupported(spec(size="17x17", style="baroque", quality="odd", model="mine"), (ANYTHING,)) is None


def test_a_model_that_somebody_lists_is_not_made_by_those_who_take_any() -> None:
    found = find_unsupported(spec(model="dall-e-3", n=2), (*ROWS, ANYTHING))

    assert found is not None and found.field == "n"


def test_a_last_resort_is_asked_by_name_or_for_what_nobody_else_makes() -> None:
    rows = (
        ProviderOffer("built-in", "image", last_resort=True),
        ProviderOffer("built-in", "try_on", last_resort=True),
        *ROWS,
    )

    assert find_unsupported(spec(provider="built-in", size="17x17"), rows) is None
    assert find_unsupported(spec(kind="try_on"), rows) is None
    found = find_unsupported(spec(size="17x17"), rows)
    assert found is not None and found.field == "size"
