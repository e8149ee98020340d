"""The size of a picture, read from its own bytes without decoding them."""

import struct
from collections.abc import Iterator

from atelier_imaging.jpeg_segments import FRAMES, segments

BRANDS_BYTES_MAX = 256
"""Of an AVIF's first box."""


def sides(data: bytes) -> tuple[int, int] | None:
    """Width and height in pixels of a PNG, JPEG, WebP or AVIF; None where the bytes do not say."""
    try:
        if data.startswith(b"\x89PNG\r\n\x1a\n"):
            return struct.unpack_from(">II", data, 16)
        if data.startswith(b"\xff\xd8\xff"):
            return next(_jpeg_frames(data), None)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
        if is_avif(data):
            return _avif(data)
    except (struct.error, IndexError):
        return None
    return None


def is_avif(data: bytes) -> bool:
    """Whether the first box says so: its main brand, or one beside a general one."""
    brands = data[8 : min(int.from_bytes(data[:4], "big"), BRANDS_BYTES_MAX)]
    return data[4:8] == b"ftyp" and any(brands[at : at + 4] == b"avif" for at in range(0, len(brands), 4))


def _jpeg_frames(data: bytes) -> Iterator[tuple[int, int]]:
    for marker, start, _ in segments(data):
        if marker in FRAMES:
            height, width = struct.unpack_from(">HH", data, start + 5)
            yield width, height


def _webp(data: bytes) -> tuple[int, int] | None:
    match data[12:16]:
        case b"VP8 ":
            width, height = struct.unpack_from("<HH", data, 26)
            return width & 0x3FFF, height & 0x3FFF
        case b"VP8L":
            (packed,) = struct.unpack_from("<I", data, 21)
            return (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
        case b"VP8X":
            return int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        case _:
            return None


def _avif(data: bytes) -> tuple[int, int] | None:
    """The largest that its description names: tiles, thumbnails and the plane of alpha are not larger."""
    at = data.find(b"meta", 0, 4096)
    end = at - 4 + int.from_bytes(data[at - 4 : at], "big")
    found = list[tuple[int, int]]()
    while at >= 4 and (at := data.find(b"ispe", at + 4, end)) >= 0:
        found.append(struct.unpack_from(">II", data, at + 8))
    return max(found, key=lambda size: size[0] * size[1], default=None)
