"""Pictures and sounds that show nothing, made in no time and without an image library: what the simulator delivers."""

import struct
import zlib

from atelier_contracts.value_objects import AudioFormat
from atelier_render.providers.toolkit.wave_files import Wave, write_wave

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
RATE_HZ = 8_000
_TONE = struct.pack("<16h", *([4_000] * 8 + [-4_000] * 8))
_SILENT_FRAME = b"\xff\xf3\x28\xc4" + bytes(68)
"""MPEG-2 layer III at 16 kbit/s and 16 kHz: 36 ms."""


def sample_picture(seed: int, width: int, height: int) -> bytes:
    """A PNG with a vertical gradient in colours given by the seed: equal in, equal out."""
    red, green, blue = (zlib.crc32(f"{seed}/{channel}".encode()) & 0xFF for channel in "rgb")
    steps = (255 * y // height for y in range(height))
    rows = b"".join(b"\0" + bytes((red, green ^ step, blue)) * width for step in steps)
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 1)) + _chunk(b"IEND", b"")
    return PNG_SIGNATURE + body


def sample_sound(audio_format: AudioFormat) -> bytes:
    """Half a second: a hum as WAV, silence as MP3."""
    if audio_format == "mp3":
        return _SILENT_FRAME * 14
    mono = struct.pack("<HHIIHH", 1, 1, RATE_HZ, RATE_HZ * 2, 2, 16)
    return write_wave(Wave(mono, _TONE * (RATE_HZ // 2 // 16)))


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
