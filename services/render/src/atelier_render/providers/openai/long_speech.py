"""Long texts for a service that reads short ones: cut between sentences, and the sounds joined into one file."""

import struct
from collections.abc import Iterator, Sequence

from atelier_contracts.value_objects import AudioFormat
from atelier_render.providers.toolkit.file_checks import behind_tag
from atelier_render.providers.toolkit.wave_files import NotSound, Wave, read_wave, write_wave
from atelier_render.speech.encoders import encoder_of
from atelier_render.speech.sentences import pieces

JOINABLE = ("mp3", "wav")
"""Formats whose files can be joined; others are made of joined samples."""
CALL_CHARS_MAX = 4_096
_FRAME_SYNC = (b"\xff\xe2", b"\xff\xe3", b"\xff\xf2", b"\xff\xf3", b"\xff\xfa", b"\xff\xfb")
_TOC_MARKS = (b"Xing", b"Info", b"VBRI")
_KBIT_S = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
"""Layer III, by whether it is MPEG-1."""
_HERTZ = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}
"""By the version's two bits."""


def passages(text: str) -> list[str]:
    """The text in passages of at most the characters one call takes, cut after sentences; in order, and complete."""
    found = [""]
    for piece in pieces(text):
        if len(found[-1]) + len(piece) > CALL_CHARS_MAX:
            found.append("")
        found[-1] += piece
    return [passage for passage in found if passage.strip()]


def join_sounds(sounds: Sequence[bytes], audio_format: AudioFormat) -> bytes:
    """One file that plays them one after the other. Raises NotSound."""
    if audio_format == "mp3":
        return b"".join(_mp3_frames(sound) for sound in sounds)
    joined = _join_wav(sounds)
    return joined if audio_format == "wav" else _encode(joined, audio_format)


def _encode(wav: bytes, audio_format: AudioFormat) -> bytes:
    """The samples in another format. Raises NotSound for others than 16 bits of one channel."""
    sound = read_wave(wav)
    codec, channels, rate_hz, _, _, bits = struct.unpack_from("<HHIIHH", sound.format)
    if (codec, channels, bits) != (1, 1, 16):
        raise NotSound("the passages came as samples of another kind")
    encoder = encoder_of(audio_format, rate_hz)
    encoder.add(sound.samples)
    return encoder.whole()


def _join_wav(sounds: Sequence[bytes]) -> bytes:
    """Lengths are counted again."""
    waves = [read_wave(sound) for sound in sounds]
    if len({wave.format for wave in waves}) != 1:
        raise NotSound("the passages came as different kinds of WAV")
    return write_wave(Wave(waves[0].format, b"".join(wave.samples for wave in waves)))


def _mp3_frames(sound: bytes) -> bytes:
    """The frames alone: without tags, and without the table of contents that would only cover its own passage."""
    frames = list(_frames(sound))
    if not frames:
        raise NotSound("what came is no MP3")
    if any(mark in frames[0][:64] for mark in _TOC_MARKS):
        frames = frames[1:]
    return b"".join(frames)


def _frames(sound: bytes) -> Iterator[bytes]:
    at = behind_tag(sound)
    while (length := _frame_length(sound[at : at + 4])) and at + length <= len(sound):
        yield sound[at : at + length]
        at += length


def _frame_length(head: bytes) -> int:
    """In bytes, of a layer III frame with this header; 0 where it is none."""
    if head[:2] not in _FRAME_SYNC or len(head) < 4:
        return 0
    version, bit_rate, rate, padded = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if bit_rate in (0, 15) or rate == 3 or version not in _HERTZ:
        return 0
    samples = 144 if version == 3 else 72
    return int(samples * 1000 * _KBIT_S[version == 3][bit_rate] // _HERTZ[version][rate] + padded)
