"""Models end on the day their provider has announced, and their names live on in their successors'."""

from datetime import date, timedelta
from typing import get_args

import pytest
from openai.types import ImageModel
from openai.types.audio import SpeechModel

from atelier_contracts.image_models import (
    DALL_E_MODELS,
    GEMINI_IMAGE_MODELS,
    GPT_IMAGE_MODELS,
    IMAGEN_MODELS,
    QUEUED_MODELS,
    RECOMMENDED_MODELS,
)
from atelier_contracts.model_lifecycles import (
    ALARM_DAYS,
    LIFECYCLES,
    days_left,
    is_gone,
    lifecycle_of,
    models_ending_soon,
    successor_of,
)

TODAY = date(2026, 11, 29)
LAST_DAY, FIRST_DAY_WITHOUT = date(2026, 11, 30), date(2026, 12, 1)
QUEUED = tuple(name for names in QUEUED_MODELS.values() for name in names)
OFFERED = (*DALL_E_MODELS, *GPT_IMAGE_MODELS, *IMAGEN_MODELS, *GEMINI_IMAGE_MODELS, *QUEUED)


@pytest.mark.parametrize("model", ["gpt-image-1-mini", "gpt-image-1.5", "chatgpt-image-latest"])
def test_a_model_is_there_on_its_last_day_and_its_successor_the_day_after(model: str) -> None:
    assert (is_gone(model, today=LAST_DAY), successor_of(model, today=LAST_DAY)) == (False, None)
    assert (is_gone(model, today=FIRST_DAY_WITHOUT), successor_of(model, today=FIRST_DAY_WITHOUT)) == (
        True,
        "gpt-image-2.6-flare",
    )
    assert [days_left(model, today=day) for day in (TODAY, LAST_DAY, FIRST_DAY_WITHOUT)] == [2, 1, 0]


@pytest.mark.parametrize(
    ("model", "gone_on"),
    [
        ("dall-e-2", date(2026, 5, 12)),
        ("dall-e-3", date(2026, 5, 12)),
        ("gpt-image-1", date(2026, 10, 23)),
        ("imagen-4.0-generate-001", date(2026, 8, 17)),
        ("gemini-2.5-flash-image", date(2026, 10, 2)),
        ("gemini-3.1-flash-image-preview", date(2026, 6, 25)),
        ("gemini-3-pro-image-preview", date(2026, 6, 25)),
        ("tts-1", date(2027, 1, 6)),
        ("gpt-4o-mini-tts", date(2027, 1, 6)),
    ],
)
def test_each_end_is_the_announced_one(model: str, gone_on: date) -> None:
    assert lifecycle_of(model).gone_on == gone_on
    assert not is_gone(model, today=gone_on - timedelta(days=1)) and is_gone(model, today=gone_on)


def test_every_image_model_that_ends_has_a_successor_that_is_offered_and_does_not_end() -> None:
    for model in OFFERED:
        known = lifecycle_of(model)
        if known.gone_on is not None:
            successor = successor_of(model, today=date.max)
            assert successor in OFFERED and not is_gone(successor, today=date.max), model


def test_what_is_recommended_is_offered_and_has_no_end() -> None:
    assert set(RECOMMENDED_MODELS.values()) <= set(OFFERED)
    assert {days_left(model, today=TODAY) for model in RECOMMENDED_MODELS.values()} == {None}


def test_a_chain_of_successors_is_followed_to_the_first_that_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    middle = lifecycle_of("gpt-image-1")
    chain = {"old": type(middle)(None, None, date(2026, 1, 1), "gpt-image-1"), **LIFECYCLES}
    monkeypatch.setattr("atelier_contracts.model_lifecycles.LIFECYCLES", chain)

    assert successor_of("old", today=date(2026, 2, 1)) == "gpt-image-1"
    assert successor_of("old", today=TODAY) == "gpt-image-2.6-flare"


def test_a_model_whose_successor_nobody_names_has_none() -> None:
    assert successor_of("tts-1", today=date(2027, 1, 6)) is None


@pytest.mark.parametrize(
    ("days_before", "warned"), [(ALARM_DAYS + 1, False), (ALARM_DAYS, True), (1, True), (0, False)]
)
def test_the_operator_is_warned_thirty_days_ahead_until_it_is_gone(days_before: int, warned: bool) -> None:
    today = date(2026, 12, 1) - timedelta(days=days_before)

    assert models_ending_soon(["gpt-image-1.5", "gpt-image-2"], today=today) == (["gpt-image-1.5"] if warned else [])


def test_the_models_of_the_installed_sdk_are_known() -> None:
    named = set(get_args(ImageModel))

    assert named == {*DALL_E_MODELS, *GPT_IMAGE_MODELS}
    assert set(get_args(SpeechModel)) >= {name for name, known in LIFECYCLES.items() if "tts" in name and known}
