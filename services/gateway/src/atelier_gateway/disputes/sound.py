"""Measures of a delivered sound file, without a decoder: how long it is, and how loud where the samples are plain."""

import io
import wave
from dataclasses import dataclass

_SAMPLE_BYTES = 2
"""Of the WAV files whose loudness is measured; others are measured in length only."""
_MPEG1, _MPEG2, _MPEG25 = 3, 2, 0
_LAYER_3 = 1
_ADTS = (b"\xff\xf0", b"\xff\xf1", b"\xff\xf8", b"\xff\xf9")
_BITRATES_KBIT = {
    _MPEG1: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    _MPEG2: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES_HZ = {
    _MPEG1: (44_100, 48_000, 32_000),
    _MPEG2: (22_050, 24_000, 16_000),
    _MPEG25: (11_025, 12_000, 8_000),
}


@dataclass(frozen=True, slots=True)
class Sound:
    """Length in seconds, and the loudest sample as a share of full scale; None where that is not measured."""

    seconds: float
    peak: float | None


class NotSound(Exception):
    """The bytes cannot be played; the text says why."""


class NotMeasured(Exception):
    """The file may be sound, in a form that is not read here."""


def measure(data: bytes) -> Sound:
    """Measures a WAV or an MP3. Raises NotSound and NotMeasured."""
    if data[:4] in (b"OggS", b"fLaC") or data[_end_of_tag(data) :][:2] in _ADTS:
        raise NotMeasured("Opus, AAC and FLAC are not measured")
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        return _measure_wave(data)
    return _measure_mp3(data)


def _measure_wave(data: bytes) -> Sound:
    try:
        with wave.open(io.BytesIO(data)) as file:
            rate, width, frames = file.getframerate(), file.getsampwidth(), file.readframes(file.getnframes())
            channels = file.getnchannels()
    except (wave.Error, EOFError) as error:
        if "unknown format" in str(error):
            raise NotMeasured("the WAV is not plain PCM") from None
        raise NotSound("the WAV cannot be read") from None
    if not frames:
        raise NotSound("the WAV has no samples")
    seconds = len(frames) / (rate * width * channels)
    return Sound(seconds, _peak(frames) if width == _SAMPLE_BYTES else None)


def _peak(frames: bytes) -> float:
    """WAV samples of 16 bits are signed and little-endian, as this machine has them."""
    samples = memoryview(frames[: len(frames) - len(frames) % _SAMPLE_BYTES]).cast("h")
    return max(max(samples), -min(samples)) / 32_768


def _measure_mp3(data: bytes) -> Sound:
    """Adds up the frames of layer III from header to header."""
    at, seconds, frames = _end_of_tag(data), 0.0, 0
    while at + 4 <= len(data):
        frame = _frame(data, at)
        if frame is None:
            at = data.find(b"\xff", at + 1)
            if at < 0:
                break
            continue
        length, duration = frame
        if at + length > len(data):
            break  # cut off in the middle: it is not heard
        at, seconds, frames = at + length, seconds + duration, frames + 1
    if not frames:
        raise NotSound("the MP3 has no frames")
    return Sound(seconds, None)


def _frame(data: bytes, at: int) -> tuple[int, float] | None:
    """Length in bytes and duration in seconds of the frame that begins here; None where none does."""
    head = int.from_bytes(data[at : at + 4], "big")
    version, layer = head >> 19 & 3, head >> 17 & 3
    bitrate, rate = head >> 12 & 15, head >> 10 & 3
    if head >> 21 != 0x7FF or version not in _RATES_HZ or layer != _LAYER_3 or bitrate in (0, 15) or rate == 3:
        return None
    is_first = version == _MPEG1
    bits = _BITRATES_KBIT[_MPEG1 if is_first else _MPEG2][bitrate] * 1_000
    hertz = _RATES_HZ[version][rate]
    samples = 1_152 if is_first else 576
    return samples // 8 * bits // hertz + (head >> 9 & 1), samples / hertz


def _end_of_tag(data: bytes) -> int:
    """Behind an ID3 tag, whose length is in four bytes of seven bits."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size
