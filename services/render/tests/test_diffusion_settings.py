"""The self-hosted model's settings: the offer follows from them, and what cannot be is said when render starts."""

import pytest
from pydantic import ValidationError

from atelier_render.providers.diffusion import settings as module
from atelier_render.providers.diffusion.settings import DiffusersSettings


@pytest.fixture
def pretend_installed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setattr(module, "find_spec", lambda _: object())
    return monkeypatch


def test_without_the_extra_a_model_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "torch" else object())

    assert DiffusersSettings(model="").model is None
    with pytest.raises(ValidationError, match=r"needs torch, not installed here: .*--extra diffusers"):
        DiffusersSettings(model="/models/sd")


def test_the_offer_is_what_is_configured(pretend_installed: pytest.MonkeyPatch) -> None:
    pretend_installed.setenv("ATELIER_DIFFUSERS_MODEL", "some/tiny-model")
    pretend_installed.setenv("ATELIER_DIFFUSERS_SIZES", '["256x256", "512x256"]')
    pretend_installed.setenv("ATELIER_DIFFUSERS_MODES", '["words"]')

    [offer] = DiffusersSettings().offers

    assert (offer.kind, offer.models, offer.sizes, offer.modes) == (
        "image",
        ("tiny-model",),
        ("256x256", "512x256"),
        ("words",),
    )


@pytest.mark.parametrize(
    ("sizes", "words"),
    [(("500x512",), "multiples of 8"), (("wide",), "of the form"), (("2048x512",), "SIDE_MAX_PX"), ((), "at least 1")],
)
def test_a_size_that_cannot_be_made_is_refused(sizes: tuple[str, ...], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        DiffusersSettings(sizes=sizes)


def test_try_ons_are_offered_where_they_are_switched_on_and_alone_if_wanted(
    pretend_installed: pytest.MonkeyPatch,
) -> None:
    kinds = {offer.kind for offer in DiffusersSettings(model="some/tiny-model").offers}
    pretend_installed.setenv("ATELIER_DIFFUSERS_MODEL", "some/tiny-model")
    pretend_installed.setenv("ATELIER_DIFFUSERS_TRY_ON", "true")
    pretend_installed.setenv("ATELIER_DIFFUSERS_MODES", "[]")

    [offer] = DiffusersSettings().offers

    assert kinds == {"image"}
    assert (offer.kind, offer.models, offer.sizes) == ("try_on", ("tiny-model",), ())
    pretend_installed.setenv("ATELIER_DIFFUSERS_TRY_ON", "false")
    with pytest.raises(ValidationError, match="nothing is offered"):
        DiffusersSettings()


def test_two_pictures_of_a_try_on_must_fit_side_by_side(pretend_installed: pytest.MonkeyPatch) -> None:
    assert DiffusersSettings(try_on=True, model="some/tiny-model").try_on_sizes == ("512x512", "512x768")
    with pytest.raises(ValidationError, match="twice side by side into 1024 pixels"):
        DiffusersSettings(try_on=True, sizes=("768x1024",))


def test_without_the_pose_model_try_ons_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None if name == "mediapipe" else object())

    assert DiffusersSettings(model="some/tiny-model").offers
    with pytest.raises(ValidationError, match="needs the pose model of mediapipe, not installed here"):
        DiffusersSettings(model="some/tiny-model", try_on=True)
