"""Pictures and sounds that show nothing, made in no time and without an image library: what the simulator delivers."""

import struct
import zlib
from functools import cache

from atelier_contracts.value_objects import AudioFormat
from atelier_render.providers.toolkit.wave_files import Wave, write_wave
from atelier_render.speech.encoders import encoder_of

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
RATE_HZ = 8_000
_TONE = struct.pack("<16h", *([4_000] * 8 + [-4_000] * 8))
MARK = (
    "                         ",
    " ##### ##### ##### ##### ",
    "   #   #     #       #   ",
    "   #   #     #       #   ",
    "   #   ####  #####   #   ",
    "   #   #         #   #   ",
    "   #   #         #   #   ",
    "   #   ##### #####   #   ",
    "                         ",
)
_SILENT_FRAME = b"\xff\xf3\x28\xc4" + bytes(68)
"""MPEG-2 layer III at 16 kbit/s and 16 kHz: 36 ms."""


def sample_picture(seed: int, width: int, height: int, *, is_test: bool = False) -> bytes:
    """A PNG with a vertical gradient in colours given by the seed: equal in, equal out. Of a test account it says TEST,
    in letters as large as it has room for."""
    red, green, blue = (zlib.crc32(f"{seed}/{channel}".encode()) & 0xFF for channel in "rgb")
    colours = (bytes((red, green ^ (255 * y // height), blue)) for y in range(height))
    if is_test:
        rows = b"".join(b"\0" + _row_with_mark(colour, y, width, height) for y, colour in enumerate(colours))
    else:
        rows = b"".join(b"\0" + colour * width for colour in colours)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 1)) + _chunk(b"IEND", b"")
    return PNG_SIGNATURE + body


def _row_with_mark(colour: bytes, y: int, width: int, height: int) -> bytes:
    """The row ``y``: its colour, and white on black where a letter of the mark or its background is."""
    columns, lines = len(MARK[0]), len(MARK)
    scale = max(1, min(width // (columns + 2), height // (lines + 2)))
    left, top = (width - columns * scale) // 2, (height - lines * scale) // 2
    if not top <= y < top + lines * scale or left < 0:
        return colour * width
    line = MARK[(y - top) // scale]
    letters = b"".join((b"\xff\xff\xff" if cell == "#" else b"\0\0\0") * scale for cell in line)
    return colour * left + letters + colour * (width - left - columns * scale)


def sample_sound(audio_format: AudioFormat) -> bytes:
    """Half a second: a hum, silence as MP3."""
    if audio_format == "mp3":
        return _SILENT_FRAME * 14
    if audio_format != "wav":
        return _coded_tone(audio_format)
    mono = struct.pack("<HHIIHH", 1, 1, RATE_HZ, RATE_HZ * 2, 2, 16)
    return write_wave(Wave(mono, _TONE * (RATE_HZ // 2 // 16)))


@cache
def _coded_tone(audio_format: AudioFormat) -> bytes:
    encoder = encoder_of(audio_format, RATE_HZ)
    encoder.add(_TONE * (RATE_HZ // 2 // 16))
    return encoder.whole()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
