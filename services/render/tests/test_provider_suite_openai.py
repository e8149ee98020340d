"""What is OpenAI's own: how a request is put to each of its models, and long texts in passages."""

import io
import wave
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date
from typing import Any

import httpx2
import openai
import pytest
from PIL import Image

from atelier_contracts import OpenAIOptions, RenderSpec
from atelier_contracts.image_models import DALL_E_MODELS, GPT_IMAGE_MODELS
from atelier_provider_simulator.control import Control
from atelier_provider_simulator.openai_images import MODELS
from atelier_provider_simulator.pictures import mp3_frames, synthesise_tone
from atelier_render.providers.openai.errors import outcome_of
from atelier_render.providers.openai.long_speech import CALL_CHARS_MAX, join_sounds, passages
from atelier_render.providers.openai.models import Call, RetiredModels, calls, model_sent, offers, options
from atelier_render.providers.openai.provider import OpenAI
from atelier_render.providers.protocol import (
    Failed,
    Input,
    Partial,
    ProviderJob,
    ProviderOutcome,
    Refused,
    Succeeded,
)
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser
from atelier_render.providers.toolkit.wave_files import NotSound

from .support.provider_subjects import job_of

BEFORE, AFTER = date(2026, 11, 30), date(2026, 12, 1)
"""The day before three models are gone, and the day they are."""
SENTENCE = "The old lighthouse keeper climbed the stairs, and lit the lamp. "
WORDS: dict[str, Any] = {"kind": "image", "prompt": "a lake"}


@pytest.fixture
async def control(simulator_url: str) -> AsyncIterator[Control]:
    async with Control(simulator_url) as control:
        await control.forget()
        yield control


@pytest.fixture
async def old(control: Control, normaliser: ImageNormaliser) -> AsyncIterator[OpenAI]:
    """A provider that sends the old names as they are."""
    provider = OpenAI(control.openai_key, normaliser, base_url=control.openai_url, retired="send")
    yield provider
    await provider.close()


def put(retired: RetiredModels = "replace", today: date = AFTER, **asked: Any) -> tuple[Call, ...]:
    """The calls that a request becomes."""
    spec = RenderSpec(**(WORDS | asked))
    return calls(spec, model_sent(spec.model, retired, today))


def story(text: str, **asked: Any) -> ProviderJob:
    """A narration of an uploaded text."""
    return replace(job_of(b"", b"", kind="narration", **asked), inputs=(Input("text", text.encode()),))


def test_every_model_that_clients_may_name_is_offered_and_is_one_that_the_service_knows() -> None:
    named = {name for offer in offers("replace", AFTER) if offer.kind == "image" for name in offer.models}
    withdrawn = {"dall-e-2", "dall-e-3", "gpt-image-1"}
    ending = {"gpt-image-1-mini", "gpt-image-1.5", "chatgpt-image-latest"}

    assert named == {*DALL_E_MODELS, *GPT_IMAGE_MODELS}
    assert {call.model for name in named for call in put(model=name)} == named - withdrawn - ending
    assert {call.model for name in named for call in put(today=BEFORE, model=name)} == named - withdrawn
    assert {call.model for name in named for call in put("send", model=name)} == named <= set(MODELS)


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({}, Call("gpt-image-2.6-flare", "a lake", 1, "1024x1024", "medium", output_format="png")),
        (
            {"model": "gpt-image-2", "quality": "hd", "format": "webp", "n": 4, "size": "1024x1536"},
            Call("gpt-image-2", "a lake", 4, "1024x1536", "high", output_format="webp"),
        ),
        (
            {"quality": "max", "size": "3840x2160"},
            Call("gpt-image-2.6-flare", "a lake", 1, "3840x2160", "max", output_format="png"),
        ),
        (
            {"model": "dall-e-3", "size": "1792x1024", "quality": "standard"},
            Call("gpt-image-2.6-flare", "a lake", 1, "1792x1024", "medium", output_format="png"),
        ),
        (
            {"model": "dall-e-2", "size": "256x256"},
            Call("gpt-image-2.6-flare", "a lake", 1, "1024x1024", "medium", output_format="png"),
        ),
    ],
)
def test_words_for_size_quality_and_format_are_the_services_own(asked: dict[str, Any], sent: Call) -> None:
    assert put(**asked) == (sent,)


def test_a_style_is_a_parameter_of_one_old_model_and_words_for_all_others() -> None:
    (new,), (older,) = put(style="artistic"), put("send", model="dall-e-3", style="artistic")

    assert (older.style, older.prompt) == ("vivid", "a lake")
    assert new.style is None and new.prompt.startswith("a lake\n\nStyle: vivid")


async def test_one_picture_a_call_means_as_many_calls_under_keys_of_their_own(control: Control, old: OpenAI) -> None:
    job = job_of(b"", b"", key="k", **(WORDS | {"model": "dall-e-3", "n": 3}))

    outcome = await old.submit(job)

    assert isinstance(outcome, Succeeded) and outcome.delivered == 3
    assert {request.idempotency_key for request in await control.requests()} == {"k-1of3", "k-2of3", "k-3of3"}


@pytest.mark.parametrize(
    ("today", "maker"), [(BEFORE, "gpt-image-1.5"), (AFTER, "gpt-image-2.6-flare")], ids=["its last day", "gone"]
)
async def test_a_model_is_sent_by_its_own_name_until_it_is_gone_and_the_outcome_names_its_maker(
    control: Control, normaliser: ImageNormaliser, today: date, maker: str
) -> None:
    provider = OpenAI(control.openai_key, normaliser, base_url=control.openai_url, today=lambda: today)

    outcome = await provider.submit(job_of(b"", b"", **(WORDS | {"model": "gpt-image-1.5"})))
    await provider.close()

    assert isinstance(outcome, Succeeded) and outcome.model == maker
    assert [request.model for request in await control.requests()] == [maker]


@pytest.mark.parametrize(
    ("mode", "more", "sent"),
    [
        (
            "words",
            {"moderation": "low", "user": "u", "safety_identifier": "s"},
            {"moderation", "user", "safety_identifier"},
        ),
        ("words", {"background": "opaque", "input_fidelity": "high"}, {"background"}),
        ("masked", {"input_fidelity": "high", "moderation": "low", "user": "u"}, {"input_fidelity", "user"}),
    ],
)
async def test_what_only_openai_has_words_for_is_sent_as_it_was_given(
    control: Control, normaliser: ImageNormaliser, mode: str, more: dict[str, str], sent: set[str]
) -> None:
    provider = OpenAI(control.openai_key, normaliser, base_url=control.openai_url, today=lambda: BEFORE)
    asked = {"model": "gpt-image-1.5", "quality": "low", "openai": more, "mode": mode}

    out = io.BytesIO()
    Image.new("RGBA", (64, 64), (255, 0, 0, 0)).save(out, "PNG")
    outcome = await provider.submit(job_of(out.getvalue(), out.getvalue(), **(WORDS | asked)))
    await provider.close()

    assert isinstance(outcome, Succeeded), outcome
    assert {name for call in await control.requests() for name in more if name in call.parameters} == sent
    assert [call.parameters["quality"] for call in await control.requests()] == ["low"]


def test_a_model_without_a_parameter_is_not_sent_it() -> None:
    spec = RenderSpec(**WORDS, openai=OpenAIOptions(moderation="low", user="u", input_fidelity="high"))

    assert options(spec, "dall-e-3", "words") == {"user": "u"}
    assert options(spec, "gpt-image-2", "edit") == {"user": "u"}
    assert options(spec, "gpt-image-1.5", "edit") == {"user": "u", "input_fidelity": "high"}


def test_speech_models_are_offered_until_they_are_gone() -> None:
    def speech(today: date) -> set[str]:
        return {name for offer in offers("replace", today) if offer.kind == "narration" for name in offer.models}

    assert speech(date(2027, 1, 5)) == {"gpt-4o-mini-tts", "gpt-4o-mini-tts-2025-12-15", "tts-1", "tts-1-hd"}
    assert speech(date(2027, 1, 6)) == set()


async def test_a_call_that_fails_among_several_costs_one_picture(control: Control, old: OpenAI) -> None:
    await control.plan("openai", "refused")

    outcome = await old.submit(job_of(b"", b"", **(WORDS | {"model": "dall-e-3", "n": 3})))

    assert isinstance(outcome, Partial) and outcome.delivered == 2


async def test_the_old_model_varies_square_pngs_and_says_what_it_wants_of_others(control: Control, old: OpenAI) -> None:
    def oblong(size: tuple[int, int]) -> ProviderJob:
        out = io.BytesIO()
        Image.new("RGB", size).save(out, "PNG")
        return job_of(out.getvalue(), b"", kind="image", mode="variation", model="dall-e-2", size="256x256")

    with pytest.warns(DeprecationWarning):
        varied, refused = await old.submit(oblong((64, 64))), await old.submit(oblong((64, 32)))

    assert isinstance(varied, Succeeded)
    assert refused == Failed("invalid_input", "OpenAI objects: Uploaded image must be square")
    assert {request.path for request in await control.requests()} == {"/v1/images/variations"}


async def test_a_key_that_is_not_accepted_is_the_operators_business(
    control: Control, normaliser: ImageNormaliser
) -> None:
    provider = OpenAI("sk-mistyped", normaliser, base_url=control.openai_url)

    outcome = await provider.submit(job_of(b"", b"", **WORDS))
    await provider.close()

    assert isinstance(outcome, Failed) and outcome.code == "provider_unavailable"
    assert "ATELIER_OPENAI_API_KEY" in outcome.reason and "mistyped" not in outcome.reason


def test_what_is_said_with_400_about_our_account_is_no_fault_of_the_request() -> None:
    def outcome_of_code(code: str) -> ProviderOutcome:
        answer = httpx2.Response(400, request=httpx2.Request("POST", "https://api.example.com"))
        return outcome_of(openai.BadRequestError("no", response=answer, body={"code": code, "message": "no"}))

    assert outcome_of_code("billing_hard_limit_reached") == Failed(
        "provider_unavailable", "OpenAI does not serve this account now (billing_hard_limit_reached)"
    )
    assert outcome_of_code("moderation_blocked") == Refused("no")
    assert outcome_of_code("invalid_image") == Failed("invalid_input", "OpenAI objects: no")


@pytest.mark.parametrize("sound", ["mp3", "wav"])
async def test_a_long_text_is_read_in_passages_and_is_one_sound(control: Control, old: OpenAI, sound: str) -> None:
    told: list[int] = []
    text = SENTENCE * 150
    job = job_of(b"", b"", kind="narration", prompt="…", audio_format=sound, model="tts-1", style="nova")
    job = ProviderJob(
        job.key, job.generation_id, job.owner, job.spec.model_copy(update={"prompt": text}), (), told.append
    )

    outcome = await old.submit(job)

    assert isinstance(outcome, Succeeded), outcome
    expected = [mp3_frames(part) if sound == "mp3" else synthesise_tone(part) for part in passages(text)]
    assert len(expected) == len(await control.requests()) == 3
    assert outcome.pictures[0].data == join_sounds(expected, sound)  # type: ignore[arg-type]  # one of the two
    assert told == sorted(told) and told[-1] == 99


async def test_a_story_with_a_hole_in_it_is_not_delivered(control: Control, old: OpenAI) -> None:
    await control.plan("openai", "refused")

    outcome = await old.submit(story(SENTENCE * 150))

    assert isinstance(outcome, Refused)
    assert sorted(request.made for request in await control.requests()) == [0, 1, 1]


def test_passages_are_short_enough_end_with_sentences_and_leave_nothing_out() -> None:
    text = SENTENCE * 200 + "word " * 2_000

    found = passages(text)

    assert "".join(found) == text
    assert max(map(len, found)) <= CALL_CHARS_MAX
    assert found[0].endswith("lamp. ")


def test_joined_waves_say_how_long_they_are() -> None:
    whole = join_sounds([synthesise_tone("Once upon a time."), synthesise_tone("The end.")], "wav")

    with wave.open(io.BytesIO(whole)) as file:
        frames = file.getnframes()
        assert len(file.readframes(frames)) == frames * 2
    parts = [join_sounds([synthesise_tone(text)], "wav") for text in ("Once upon a time.", "The end.")]
    assert len(whole) - 44 == sum(len(part) - 44 for part in parts)


def test_joined_mp3s_are_frames_alone() -> None:
    tag, frames = b"ID3\x04\x00\x00\x00\x00\x00\x05" + b"title", mp3_frames("One.")
    contents = frames[:4] + b"Info" + frames[8:72]

    assert join_sounds([tag + frames, contents + frames], "mp3") == frames + frames


@pytest.mark.parametrize(
    ("sounds", "sound"), [([b"RIFF"], "wav"), ([b"<html>"], "mp3"), ([b""], "mp3"), ([b""], "wav")]
)
def test_what_is_no_sound_is_not_joined(sounds: list[bytes], sound: Any) -> None:
    with pytest.raises(NotSound):
        join_sounds(sounds, sound)
