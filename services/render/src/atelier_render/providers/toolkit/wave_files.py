"""WAVE files as services send them: some before they know how long the sound will be, and say so by an odd length."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

STREAMED_FROM = 0x7FFF_0000
"""Lengths from here on are no real ones: encoders that stream write 0x7ffff000, 0x7fffffff or 0xffffffff."""
_HEAD = 12
_CHUNK_HEAD = 8


class NotSound(Exception):
    """What came is not the sound it was said to be."""


@dataclass(frozen=True, slots=True)
class Wave:
    """The bytes of the format chunk, and the samples in whole frames."""

    format: bytes
    samples: bytes


def read_wave(data: bytes) -> Wave:
    """Raises NotSound for what is no WAVE, is cut short, or holds no samples."""
    if data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise NotSound("what came is no WAV")
    format_ = None
    for name, at, length in _chunks(data):
        if name == b"fmt ":
            format_ = data[at : at + length]
        if name == b"data" and format_ is not None and len(format_) >= 16:
            return Wave(format_, _samples(data[at:], length, format_))
    raise NotSound("the WAV has no samples")


def write_wave(wave: Wave) -> bytes:
    """A file with true lengths."""
    head = b"fmt " + struct.pack("<I", len(wave.format)) + wave.format + b"data" + struct.pack("<I", len(wave.samples))
    return b"RIFF" + struct.pack("<I", 4 + len(head) + len(wave.samples)) + b"WAVE" + head + wave.samples


def with_true_lengths(data: bytes) -> bytes:
    """The same where the file says how long it is, else the same sound in a file that does. Raises NotSound."""
    wave = read_wave(data)
    says_so = b"data" + struct.pack("<I", len(wave.samples)) in data
    return data if says_so and struct.unpack_from("<I", data, 4)[0] + 8 == len(data) else write_wave(wave)


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, place and length of each."""
    at = _HEAD
    while at + _CHUNK_HEAD <= len(data):
        name, (length,) = data[at : at + 4], struct.unpack_from("<I", data, at + 4)
        yield name, at + _CHUNK_HEAD, length
        at += _CHUNK_HEAD + length + length % 2


def _samples(rest: bytes, length: int, format_: bytes) -> bytes:
    """What of the bytes behind the head of the data chunk is sound."""
    if length == 0 and _only_chunks(rest):
        raise NotSound("the WAV has no samples")
    if 0 < length < STREAMED_FROM:
        if length > len(rest):
            raise NotSound("the WAV is cut short")
        rest = rest[:length]
    frame_bytes = max(1, struct.unpack_from("<H", format_, 12)[0])
    samples = rest[: len(rest) - len(rest) % frame_bytes]
    if not samples:
        raise NotSound("the WAV has no samples")
    return samples


def _only_chunks(rest: bytes) -> bool:
    """Whether nothing follows but further chunks: then a length of zero is meant."""
    at = 0
    while at + _CHUNK_HEAD <= len(rest) and rest[at : at + 4].isascii() and rest[at : at + 4].decode().isprintable():
        at += _CHUNK_HEAD + struct.unpack_from("<I", rest, at + 4)[0]
        at += at % 2
    return at >= len(rest) and at - len(rest) <= 1
