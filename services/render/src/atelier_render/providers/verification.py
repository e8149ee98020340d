"""Whether bytes are what a provider says they are: judged by structure and checksums, without decoding anything.

It catches what goes wrong on the way (truncation, flipped bytes, an error page), in the service's own process and
without an image library.
"""

import hashlib
import re
import struct
import zlib
from typing import Literal

from atelier_render.providers.protocol import Picture

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp", "audio/mpeg": "mp3", "audio/wav": "wav"}
_MP3_FRAME = re.compile(rb"ID3|\xff[\xe2-\xff]")
_PNG = b"\x89PNG\r\n\x1a\n"


def flaw(picture: Picture) -> str | None:
    """What is wrong with the picture, or None."""
    if picture.sha256 is not None and hashlib.sha256(picture.data).hexdigest() != picture.sha256:
        return "the bytes do not match the provider's own checksum"
    match picture.content_type:
        case "image/png":
            return _png_flaw(picture)
        case "image/jpeg":
            whole = picture.data.startswith(b"\xff\xd8\xff") and picture.data.endswith(b"\xff\xd9")
            return None if whole else "the JPEG is not whole"
        case "image/webp":
            return _riff_flaw(picture.data, "WEBP")
        case "audio/wav":
            return _riff_flaw(picture.data, "WAVE")
        case "audio/mpeg":
            return None if _MP3_FRAME.match(picture.data) else "the MP3 does not begin with a frame"
        case other:
            return f"{other} is not a type of picture we store"


def _png_flaw(picture: Picture) -> str | None:
    data, at, last = picture.data, len(_PNG), b""
    if not data.startswith(_PNG):
        return "the PNG has no PNG signature"
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        last, end = data[at + 4 : at + 8], at + 8 + length
        if data[end : end + 4] != struct.pack(">I", zlib.crc32(data[at + 4 : end])):
            return "a checksum inside the PNG does not match"
        if last == b"IHDR" and struct.unpack_from(">II", data, at + 8) != (picture.width, picture.height):
            return "the PNG is not of the size it was said to be"
        at = end + 4
    return None if last == b"IEND" and at == len(data) else "the PNG is cut short"


def _riff_flaw(data: bytes, form: Literal["WEBP", "WAVE"]) -> str | None:
    if data[:4] != b"RIFF" or data[8:12] != form.encode():
        return f"the {form} has no {form} signature"
    whole = struct.unpack_from("<I", data, 4)[0] + 8
    return None if whole == len(data) else f"the {form} is cut short"
