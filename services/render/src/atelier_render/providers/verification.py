"""Whether bytes are the picture a provider says they are: judged by structure and checksums, without decoding a pixel.

It catches what goes wrong on the way (truncation, flipped bytes, an error page), in the service's own process and
without an image library.
"""

import hashlib
import struct
import zlib

from atelier_render.providers.protocol import Picture

EXTENSIONS = {"image/png": "png", "image/jpeg": "jpg", "image/webp": "webp"}
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
            return _webp_flaw(picture.data)
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


def _webp_flaw(data: bytes) -> str | None:
    if data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return "the WEBP has no WEBP signature"
    whole = struct.unpack_from("<I", data, 4)[0] + 8
    return None if whole == len(data) else "the WEBP is cut short"
