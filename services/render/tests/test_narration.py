"""A story becomes sound: plausible in length, the same every time, in every language we offer, and on its way audibly
so; what cannot be read is refused in words.
"""

import asyncio
import hashlib
import io
import wave
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from opentelemetry.trace import INVALID_SPAN

from atelier_contracts import InputRef, RequestRender
from atelier_contracts.narration import LANGUAGES, TEXT_CHARS_MAX
from atelier_messaging.testing import happens
from atelier_render.execution.progress import Progress
from atelier_render.jobs import Attempt, Completion, Failure, Job
from atelier_render.speech.manner import Manner
from atelier_render.speech.process_pool import Audio, ReaderDied, SpeechProcessPool
from atelier_render.speech.sentences import PIECE_CHARS_MAX, pieces
from atelier_storage.keys import upload_key

Ask = Callable[..., RequestRender]
STORY = "The old lighthouse keeper climbed the stairs. Every evening he lit the lamp, and then? He sang! "
SPEECH_CHARS_PER_S = (8, 25)
"""Slower is a drawl, faster is no speech."""


def seconds_of(wav: bytes) -> float:
    with wave.open(io.BytesIO(wav)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return float(file.getnframes() / file.getframerate())


def plausible(seconds: float, characters: int) -> bool:
    slow, fast = SPEECH_CHARS_PER_S
    return characters / fast < seconds < characters / slow


def narration_request(story: str, ask: Ask, studio: Any, **spec: Any) -> RequestRender:
    """A request for a narration of a stored text."""
    request = ask(simulate=None, kind="narration")
    key = upload_key(request.owner.kind, request.owner.id, UUID(int=1), "story.txt")
    studio.objects.objects[key] = story.encode()
    inputs = (InputRef(role="text", key=key),)
    changed = request.spec.model_copy(update={"inputs": inputs, **spec})
    return request.model_copy(update={"spec": changed})


async def read(text: str, language: str = "en") -> bytes:
    made = await SpeechProcessPool(readers=1).read(text, Manner(language), audio_format="wav", tell=lambda _: None)
    assert isinstance(made, Audio)
    return made.data


async def test_ten_thousand_characters_are_valid_audio_of_plausible_length_with_progress_on_the_way() -> None:
    story = (STORY * 110)[:10_000]
    heard: list[int] = []

    made = await SpeechProcessPool(readers=1).read(story, Manner("en"), audio_format="wav", tell=heard.append)

    assert isinstance(made, Audio) and plausible(seconds_of(made.data), len(story))
    assert len(heard) > 50 and heard == sorted(set(heard)) and heard[-1] == 99


async def test_a_stored_story_becomes_an_mp3_without_width_or_height(studio: Any, ask: Ask) -> None:
    request = narration_request(STORY * 5, ask, studio)

    ending = await studio.render(request)

    assert isinstance(ending, Completion), ending
    (artefact,) = ending.artefacts
    data = studio.objects.objects[artefact.key]
    assert artefact.key.startswith(f"stores/{request.owner.id}/generated/{request.generation_id}/1-")
    assert artefact.key.endswith("/0.mp3")
    assert (artefact.content_type, artefact.width, artefact.height) == ("audio/mpeg", None, None)
    assert (artefact.thumbnail, artefact.colours, artefact.tags) == (None, (), ())
    assert (artefact.size, artefact.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert plausible(len(data) * 8 / 48_000, len(STORY) * 5)  # at a constant 48 kbit/s


async def test_the_same_text_gives_the_same_bytes_and_another_text_or_language_others(studio: Any, ask: Ask) -> None:
    variants = [("One.", "en"), ("One.", "en"), ("Two.", "en"), ("One.", "de")]
    endings = [
        await studio.render(narration_request(text, ask, studio, language=language)) for text, language in variants
    ]

    one, same, other, german = (ending.artefacts[0].sha256 for ending in endings)

    assert one == same and len({one, other, german}) == 3


async def test_wav_is_made_where_it_is_asked_for_and_a_prompt_is_read_where_there_is_no_text(
    studio: Any, ask: Ask
) -> None:
    ending = await studio.render(ask(simulate=None, kind="narration", prompt="Good evening.", audio_format="wav"))

    (artefact,) = ending.artefacts
    assert artefact.content_type == "audio/wav" and artefact.key.endswith("/0.wav")
    assert 0.5 < seconds_of(studio.objects.objects[artefact.key]) < 3


@pytest.mark.parametrize("language", LANGUAGES)
async def test_every_language_offered_has_a_voice(language: str) -> None:
    assert seconds_of(await read("Atelier 1 2 3", language)) > 0.5


@pytest.mark.parametrize(
    ("story", "spec", "why"),
    [
        ("…?! \n", {}, "there is nothing to read aloud"),
        ("a" * (TEXT_CHARS_MAX + 1), {}, "the text has more than 50000 characters"),
        ("Hello.", {"language": "tlh"}, "there is no voice for tlh"),
    ],
)
async def test_what_cannot_be_read_is_refused_in_words(
    studio: Any, ask: Ask, story: str, spec: dict[str, Any], why: str
) -> None:
    ending = await studio.render(narration_request(story, ask, studio, **spec))

    assert isinstance(ending, Failure) and (ending.code, ending.reason) == ("invalid_input", why)


async def test_another_tenants_text_is_answered_as_an_unknown_one(studio: Any, ask: Ask) -> None:
    request = narration_request("Hello.", ask, studio).model_copy(update={"owner": ask().owner})

    ending = await studio.render(request)

    assert ending.reason == "input 1 (text): there is no such object"


async def test_a_reader_that_takes_too_long_is_stopped() -> None:
    with pytest.raises(ReaderDied, match=r"stopped after 0\.01 s"):
        await SpeechProcessPool(readers=1, reading_s_max=0.01).read(STORY, Manner("en"), audio_format="wav", tell=print)


async def test_a_reader_without_memory_ends_alone() -> None:
    with pytest.raises(ReaderDied):
        await SpeechProcessPool(readers=1, memory_bytes=48 * 1024**2).read(
            STORY * 500, Manner("en"), audio_format="wav", tell=lambda _: None
        )


async def test_a_cancelled_narration_leaves_no_process_and_frees_its_slot() -> None:
    readers = SpeechProcessPool(readers=1)
    reading = asyncio.Event()
    text = STORY * 500
    long = asyncio.create_task(readers.read(text, Manner("en"), audio_format="mp3", tell=lambda _: reading.set()))
    await happens(reading)
    long.cancel()
    await asyncio.gather(long, return_exceptions=True)

    async with asyncio.timeout(60):
        after = await readers.read("Next.", Manner("en"), audio_format="mp3", tell=lambda _: None)

    assert long.cancelled() and isinstance(after, Audio)


@pytest.mark.parametrize(
    "text",
    [
        STORY,
        "no end",
        "...!?\n\n\nA.\n",
        'He said "stop!" Then 3.14 went by… and "so" on',
        "x" * 2_500,
        "wide words " * 300,
    ],
)
def test_pieces_are_the_whole_text_and_none_is_long(text: str) -> None:
    cut = list(pieces(text))

    assert "".join(cut) == text
    assert all(0 < len(piece) <= PIECE_CHARS_MAX for piece in cut)


def test_a_text_is_cut_after_its_sentences() -> None:
    assert list(pieces('Pi is 3.14. "Stop!" he said.\nEnd')) == ["Pi is 3.14. ", '"Stop!" ', "he said.\n", "End"]


@pytest.mark.stack
async def test_progress_is_told_once_a_look_and_only_what_has_changed(world: Any, ask: Ask) -> None:
    process = world.process()
    request = ask(simulate=None, kind="narration")
    progress, attempt = Progress(process.unit), _attempt(request)

    with progress.of(attempt) as tell:
        for percent in (3, 7, 5):
            tell(percent)
        await progress.tell()
        await progress.tell()
        tell(250)
        await progress.tell()
    tell(100)
    await progress.tell()

    rows = await world.pool.fetch(
        "SELECT body::jsonb AS body FROM outbox WHERE body LIKE '%' || $1 || '%' ORDER BY id",
        str(request.generation_id),
    )
    assert [row["body"]["progress"] for row in rows] == [7, 100]


def _attempt(request: RequestRender) -> Attempt:
    return Attempt(Job(request.generation_id, 1, request.owner, request.spec, "paced", None, 30.0), INVALID_SPAN)
