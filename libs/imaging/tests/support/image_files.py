"""Picture files made chunk by chunk, as other programs write them and Pillow does not."""

import struct
import zlib
from typing import Any

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6


def chunk(kind: bytes, body: bytes, *, crc: int | None = None) -> bytes:
    """One chunk of a PNG; with ``crc`` a checksum of one's own."""
    checksum = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", checksum)


def png(
    pixels: np.ndarray[Any, Any],
    colour: int,
    *chunks: bytes,
    depth: int | None = None,
) -> bytes:
    """Rows of pixels of 8 or 16 bits a channel, or already packed in ``depth`` bits, with chunks before the data."""
    bits = depth or pixels.dtype.itemsize * 8
    height, width = pixels.shape[:2]
    rows = pixels.astype(">u2" if bits == 16 else "u1").reshape(height, -1)
    if bits < 8:
        places = np.unpackbits(rows[..., None].astype(np.uint8), axis=2)[..., 8 - bits :].reshape(height, -1)
        rows = np.packbits(places, axis=1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    return b"".join((SIGNATURE, chunk(b"IHDR", header), *chunks, chunk(b"IDAT", data), chunk(b"IEND", b"")))


def profile_chunk(profile: bytes) -> bytes:
    """As PNG carries a profile."""
    return chunk(b"iCCP", b"profile\0\0" + zlib.compress(profile))


def with_chunks(data: bytes, *chunks: bytes) -> bytes:
    """A PNG with further chunks behind its header."""
    return data[:33] + b"".join(chunks) + data[33:]


def with_segments(data: bytes, *segments: tuple[int, bytes]) -> bytes:
    """A JPEG with further segments, each of a marker and a body, behind its start."""
    added = (struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body for marker, body in segments)
    return data[:2] + b"".join(added) + data[2:]
