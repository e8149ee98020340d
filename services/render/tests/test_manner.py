"""Voices, speeds and rates of the built-in narration: each is heard, and what is not asked for changes nothing."""

import io
import wave
from dataclasses import replace

import numpy as np
import pytest

from atelier_contracts import RenderSpec, SpeechOptions
from atelier_contracts.narration import SPEED_MAX, SPEED_MIN, VOICES
from atelier_render.providers.local.narration import Narration
from atelier_render.providers.protocol import Succeeded
from atelier_render.speech.manner import VARIANTS, Manner
from atelier_render.speech.process_pool import Audio, SpeechProcessPool
from atelier_render.speech.samples import resample, stretch

from .support.provider_subjects import job_of

TEXT = "The old lighthouse keeper climbed the stairs, and lit the lamp."
RATE_HZ = 24_000


async def speak(manner: Manner) -> tuple[bytes, int]:
    """The samples, and how many there are a second."""
    made = await SpeechProcessPool(readers=1).read(TEXT, manner, audio_format="wav", tell=lambda _: None)
    assert isinstance(made, Audio)
    with wave.open(io.BytesIO(made.data)) as file:
        return file.readframes(file.getnframes()), file.getframerate()


async def test_every_voice_speaks_differently() -> None:
    spoken = {(await speak(Manner("en", voice)))[0] for voice in (None, *VOICES)}

    assert set(VARIANTS) == set(VOICES)
    assert len(spoken) == len(VOICES) + 1


@pytest.mark.parametrize("speed", [SPEED_MIN, 0.5, 2.0, SPEED_MAX])
async def test_a_speed_makes_it_that_much_shorter_or_longer(speed: float) -> None:
    usual, _ = await speak(Manner("en"))
    changed, _ = await speak(Manner("en", speed=speed))

    assert len(usual) / len(changed) == pytest.approx(speed, rel=0.15)


async def test_a_rate_is_kept_to_and_the_length_stays() -> None:
    usual, rate_hz = await speak(Manner("en"))
    changed, changed_hz = await speak(Manner("en", rate_hz=RATE_HZ))

    assert changed_hz == RATE_HZ
    assert len(changed) / RATE_HZ == pytest.approx(len(usual) / rate_hz, rel=0.001)


async def test_voice_speed_and_rate_of_a_request_reach_the_narration() -> None:
    narration = Narration(SpeechProcessPool(readers=1))
    plain = RenderSpec(kind="narration", prompt=TEXT, audio_format="wav")
    asked = plain.model_copy(update={"style": "onyx", "speech": SpeechOptions(speed=2, rate_hz=RATE_HZ)})

    sounds = []
    for spec in (plain, asked):
        made = await narration.submit(replace(job_of(b"", b"", kind="narration"), spec=spec, inputs=()))
        assert isinstance(made, Succeeded)
        sounds.append(made.pictures[0].data)

    assert len(sounds[1]) < 0.7 * len(sounds[0]) and sounds[1][24:28] == RATE_HZ.to_bytes(4, "little")


def tone(hertz: float, seconds: float, rate_hz: int) -> bytes:
    at = np.arange(int(seconds * rate_hz)) / rate_hz
    return (10_000 * np.sin(2 * np.pi * hertz * at)).astype("<i2").tobytes()


def pitch_of(samples: bytes, rate_hz: int) -> float:
    sound = np.frombuffer(samples, "<i2").astype(float)
    return float(np.fft.rfftfreq(len(sound), 1 / rate_hz)[np.abs(np.fft.rfft(sound)).argmax()])


def test_a_stretched_sound_is_longer_and_as_high() -> None:
    sound = tone(220, 1.0, 22_050)

    longer = stretch(sound, 1.8, 22_050)

    assert len(longer) == pytest.approx(1.8 * len(sound), rel=0.001)
    assert pitch_of(longer, 22_050) == pytest.approx(220, rel=0.02)


def test_a_resampled_sound_is_as_long_and_as_high() -> None:
    changed = resample(tone(440, 0.5, 22_050), 22_050, RATE_HZ)

    assert len(changed) == RATE_HZ
    assert pitch_of(changed, RATE_HZ) == pytest.approx(440, rel=0.01)
