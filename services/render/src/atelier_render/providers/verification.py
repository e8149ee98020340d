"""What bytes are and whether they are whole: judged by structure and checksums, without decoding anything.

It catches what goes wrong on the way (truncation, flipped bytes, an error page), in the service's own process and
without an image library.
"""

import hashlib
import re
import struct
import zlib

from atelier_render.providers.protocol import Picture

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "audio/mpeg": "mp3", "audio/wav": "wav"}
_MP3_FRAME = re.compile(rb"ID3|\xff[\xe2-\xff]")
_PNG = b"\x89PNG\r\n\x1a\n"


def type_of(data: bytes) -> str | None:
    """The content type that the bytes themselves show; None for what is not stored."""
    if data.startswith(_PNG):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(data[8:12])
    return "audio/mpeg" if _MP3_FRAME.match(data) else None


def flaw(picture: Picture) -> str | None:
    """What is wrong with the bytes, or None. That they are of another type or size than was said is not a flaw."""
    data = picture.data
    if picture.sha256 is not None and hashlib.sha256(data).hexdigest() != picture.sha256:
        return "the bytes do not match the provider's own checksum"
    match type_of(data):
        case "image/png":
            return _png_flaw(data)
        case "image/jpeg":
            return None if data.endswith(b"\xff\xd9") else "the JPEG is not whole"
        case "image/webp" | "audio/wav":
            return _riff_flaw(data)
        case "audio/mpeg":
            return None
        case _:
            return f"what is said to be {picture.content_type} is of no type that is stored"


def _png_flaw(data: bytes) -> str | None:
    at, last = len(_PNG), b""
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        last, end = data[at + 4 : at + 8], at + 8 + length
        if data[end : end + 4] != struct.pack(">I", zlib.crc32(data[at + 4 : end])):
            return "a checksum inside the PNG does not match"
        at = end + 4
    return None if last == b"IEND" and at == len(data) else "the PNG is cut short"


def _riff_flaw(data: bytes) -> str | None:
    whole = struct.unpack_from("<I", data, 4)[0] + 8
    return None if whole == len(data) else f"the {data[8:12].decode()} is cut short"
