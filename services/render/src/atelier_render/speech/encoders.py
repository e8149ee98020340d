"""Samples into a file, piece by piece: WAV (16-bit mono), MP3, Opus in Ogg, AAC in ADTS or FLAC. The same samples give
the same bytes."""

import io
import wave
from collections.abc import Mapping
from typing import NamedTuple, Protocol

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


class _Codec(NamedTuple):
    container: str
    encoder: str
    sample_format: str
    bits_per_s: int


CODECS: Mapping[str, _Codec] = {
    "opus": _Codec("ogg", "libopus", "s16", 32_000),
    "aac": _Codec("adts", "aac", "fltp", 64_000),
    "flac": _Codec("flac", "flac", "s16", 0),
}
OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)


class Coded:
    """What FFmpeg encodes, by PyAV."""

    def __init__(self, audio_format: str, rate_hz: int) -> None:
        # Libraries of 100 MB, which most narrations do not need.
        import av
        from av.audio.resampler import AudioResampler

        codec = CODECS[audio_format]
        self._av = av
        self._file, self._rate_hz = io.BytesIO(), rate_hz
        self._container = av.open(self._file, "w", format=codec.container, options={"fflags": "+bitexact"})
        target_hz = next((hz for hz in OPUS_RATES_HZ if hz >= rate_hz), 48_000) if audio_format == "opus" else rate_hz
        stream = self._container.add_stream(codec.encoder, rate=target_hz, layout="mono")
        assert isinstance(stream, av.AudioStream), "what is encoded is sound"
        self._stream = stream
        self._stream.codec_context.format = codec.sample_format
        if codec.bits_per_s:
            self._stream.codec_context.bit_rate = codec.bits_per_s
        self._resampler = AudioResampler(format=codec.sample_format, layout="mono", rate=target_hz)
        self._at = 0

    def add(self, samples: bytes) -> None:
        """Appends."""
        count = len(samples) // SAMPLE_BYTES
        if not count:
            return
        frame = self._av.AudioFrame(format="s16", layout="mono", samples=count)
        frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
        frame.sample_rate, frame.pts = self._rate_hz, self._at
        self._at += count
        self._encode(frame)

    def whole(self) -> bytes:
        """The file, with what the encoder still held back."""
        self._encode(None)
        for packet in self._stream.encode(None):
            self._container.mux(packet)
        self._container.close()
        return self._file.getvalue()

    def _encode(self, frame: object) -> None:
        for part in self._resampler.resample(frame):  # type: ignore[arg-type]  # None flushes it
            for packet in self._stream.encode(part):
                self._container.mux(packet)


def encoder_of(audio_format: str, rate_hz: int) -> Sound:
    """The encoder of a format for samples at this rate."""
    if audio_format == "mp3":
        return Mp3(rate_hz)
    return Wav(rate_hz) if audio_format == "wav" else Coded(audio_format, rate_hz)
