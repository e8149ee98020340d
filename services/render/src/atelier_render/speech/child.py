"""The child process that speaks one text and ends.

Run as `python -m atelier_render.speech.child PARENT_PID MEMORY_BYTES LANGUAGE FORMAT`, the text on stdin. On
stdout: frames of a letter, a length and so many bytes: P percent done, R refused and why, A the finished audio.
"""

import os
import struct
import sys
from typing import BinaryIO

from atelier_imaging.sandbox import confine

FRAME = struct.Struct(">cI")


def main() -> None:
    """One text."""
    confine(*map(int, sys.argv[1:3]))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not print into the answers
    text = sys.stdin.buffer.read().decode("utf-8", "replace")
    _read_aloud(text, sys.argv[3], sys.argv[4], answers)


def _read_aloud(text: str, language: str, audio_format: str, answers: BinaryIO) -> None:
    # After the memory limit, which must hold for the libraries too.
    from atelier_render.speech.encoders import Mp3, Wav
    from atelier_render.speech.espeak import Voice, VoiceBroken
    from atelier_render.speech.sentences import pieces

    try:
        voice = Voice(language)
        sound = Mp3(voice.rate_hz) if audio_format == "mp3" else Wav(voice.rate_hz)
        told = read = 0
        for piece in pieces(text):
            sound.add(voice.say(piece) if piece.strip() else b"")
            read += len(piece)
            if (percent := 99 * read // len(text)) > told:
                told = percent
                _answer(answers, b"P", str(percent).encode())
    except VoiceBroken as error:
        return _answer(answers, b"R", str(error).encode())
    _answer(answers, b"A", sound.whole())


def _answer(answers: BinaryIO, letter: bytes, body: bytes) -> None:
    answers.write(FRAME.pack(letter, len(body)) + body)
    answers.flush()


if __name__ == "__main__":
    main()
