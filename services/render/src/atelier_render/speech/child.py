"""The child process that speaks one text and ends.

Run as `python -m atelier_render.speech.child PARENT_PID MEMORY_BYTES MANNER FORMAT`, the text on stdin. On
stdout: frames of a letter, a length and so many bytes: P percent done, R refused and why, A the finished audio.
"""

import json
import os
import struct
import sys
from typing import BinaryIO

from atelier_imaging.sandbox import confine
from atelier_render.speech.manner import Manner

FRAME = struct.Struct(">cI")


def main() -> None:
    """One text."""
    confine(*map(int, sys.argv[1:3]))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not print into the answers
    text = sys.stdin.buffer.read().decode("utf-8", "replace")
    _read_aloud(text, Manner(**json.loads(sys.argv[3])), sys.argv[4], answers)


def _read_aloud(text: str, manner: Manner, audio_format: str, answers: BinaryIO) -> None:
    # After the memory limit, which must hold for the libraries too.
    from atelier_render.speech.encoders import encoder_of
    from atelier_render.speech.espeak import Voice, VoiceBroken
    from atelier_render.speech.sentences import pieces

    try:
        voice = Voice(manner.library_voice, manner.words_per_minute)
        rate_hz = manner.rate_hz or voice.rate_hz
        sound = encoder_of(audio_format, rate_hz)
        told = read = 0
        for piece in pieces(text):
            sound.add(_shape(voice.say(piece), voice.rate_hz, manner) if piece.strip() else b"")
            read += len(piece)
            if (percent := 99 * read // len(text)) > told:
                told = percent
                _answer(answers, b"P", str(percent).encode())
    except VoiceBroken as error:
        return _answer(answers, b"R", str(error).encode())
    _answer(answers, b"A", sound.whole())


def _shape(samples: bytes, rate_hz: int, manner: Manner) -> bytes:
    """The samples as slow and at the rate that is wanted, where the library does not speak so itself."""
    if manner.stretch == 1 and manner.rate_hz in (None, rate_hz):
        return samples  # numerics take longer to load than a short text to speak
    from atelier_render.speech.samples import resample, stretch

    return resample(stretch(samples, manner.stretch, rate_hz), rate_hz, manner.rate_hz or rate_hz)


def _answer(answers: BinaryIO, letter: bytes, body: bytes) -> None:
    answers.write(FRAME.pack(letter, len(body)) + body)
    answers.flush()


if __name__ == "__main__":
    main()
