"""Samples into a file, piece by piece: WAV (16-bit mono) or MP3. The same samples give the same bytes."""

import io
import wave
from typing import Protocol

import lameenc

MP3_KBIT_PER_S = 48
MP3_QUALITY = 5
"""LAME's scale: 2 is best, 7 is fastest."""
SAMPLE_BYTES = 2


class Sound(Protocol):
    """A file in the making."""

    def add(self, samples: bytes) -> None:
        """Appends little-endian 16-bit samples."""

    def whole(self) -> bytes:
        """The finished file; nothing can be added afterwards."""


class Wav:
    """RIFF WAVE."""

    def __init__(self, rate_hz: int) -> None:
        self._file = io.BytesIO()
        self._wave = wave.open(self._file, "wb")  # noqa: SIM115 - closed by ``whole``
        self._wave.setnchannels(1)
        self._wave.setsampwidth(SAMPLE_BYTES)
        self._wave.setframerate(rate_hz)

    def add(self, samples: bytes) -> None:
        """Appends."""
        self._wave.writeframesraw(samples)

    def whole(self) -> bytes:
        """The file, its header completed."""
        self._wave.close()
        return self._file.getvalue()


class Mp3:
    """MPEG-2 layer III, constant bit rate, so that players know its length from its size."""

    def __init__(self, rate_hz: int) -> None:
        self._encoder = lameenc.Encoder()
        self._encoder.set_bit_rate(MP3_KBIT_PER_S)
        self._encoder.set_in_sample_rate(rate_hz)
        self._encoder.set_channels(1)
        self._encoder.set_quality(MP3_QUALITY)
        self._encoder.silence()
        self._file = bytearray()

    def add(self, samples: bytes) -> None:
        """Appends."""
        if samples:
            self._file += self._encoder.encode(samples)

    def whole(self) -> bytes:
        """The file, with what the encoder still held back."""
        self._file += self._encoder.flush()
        return bytes(self._file)
