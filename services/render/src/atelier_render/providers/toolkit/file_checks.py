"""What bytes are and whether they are whole: judged by structure and checksums, without decoding anything.

It catches what goes wrong on the way (truncation, flipped bytes, an error page), in the service's own process and
without an image library. It asks for no more than decoders do: what was paid for is not thrown away for its form.
"""

import hashlib
import re
import struct
import zlib
from collections.abc import Callable

from atelier_imaging.completeness import is_complete
from atelier_render.providers.protocol import Picture
from atelier_render.providers.toolkit.image_size import is_avif
from atelier_render.providers.toolkit.wave_files import NotSound, read_wave

EXTENSIONS = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/webp": "webp",
    "image/avif": "avif",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
    "audio/ogg": "ogg",
    "audio/aac": "aac",
    "audio/flac": "flac",
}
_MP3_SYNC = re.compile(rb"\xff[\xe2-\xef\xf2-\xf7\xfa-\xff]")
_ADTS_SYNC = re.compile(rb"\xff[\xf0\xf1\xf8\xf9]")
OGG_HEAD_BYTES = 27
FLAC_HEAD_BYTES = 42
"""The signature and the block that every file begins with."""
_SHOWN = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
"""The chunks without which a PNG cannot be shown."""
_PNG = b"\x89PNG\r\n\x1a\n"


def type_of(data: bytes) -> str | None:
    """The content type that the bytes themselves show; None for what is not stored."""
    if data.startswith(_PNG):
        return "image/png"
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data[:4] == b"RIFF":
        return {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(data[8:12])
    if is_avif(data):
        return "image/avif"
    if data.startswith(b"fLaC", behind_tag(data)):
        return "audio/flac"
    if data.startswith(b"OggS"):
        return "audio/ogg" if b"OpusHead" in data[:64] else None
    if _ADTS_SYNC.match(data, behind_tag(data)):
        return "audio/aac"
    return "audio/mpeg" if data.startswith(b"ID3") or _MP3_SYNC.match(data) else None


def flaw(picture: Picture) -> str | None:
    """What is wrong with the bytes, or None. That they are of another type or size than was said is not a flaw."""
    data = picture.data
    if picture.sha256 is not None and hashlib.sha256(data).hexdigest() != picture.sha256:
        return "the bytes do not match the provider's own checksum"
    match type_of(data):
        case "image/png":
            return _png_flaw(data)
        case "image/jpeg":
            return None if is_complete(data, "jpeg") else "the JPEG is not whole"
        case "image/webp":
            return None if is_complete(data, "webp") else "the WebP is cut short"
        case "image/avif":
            return None if is_complete(data, "avif") else "the AVIF is cut short"
        case "audio/wav":
            return _wave_flaw(data)
        case "audio/mpeg":
            return None if _MP3_SYNC.search(data, behind_tag(data)) else "the MP3 holds no sound"
        case "audio/aac":
            return None if _is_whole(data, behind_tag(data), _adts_length) else "the AAC is cut short"
        case "audio/ogg":
            return None if _is_whole(data, 0, _ogg_length) else "the Ogg is cut short"
        case "audio/flac":
            return None if len(data) - behind_tag(data) > FLAC_HEAD_BYTES else "the FLAC holds no sound"
        case _:
            return f"what is said to be {picture.content_type} is of no type that is stored"


def _png_flaw(data: bytes) -> str | None:
    """Ancillary chunks, and what follows the end, are of no interest."""
    at = len(_PNG)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, end = data[at + 4 : at + 8], at + 8 + length
        if end + 4 > len(data):
            break
        if kind in _SHOWN and data[end : end + 4] != struct.pack(">I", zlib.crc32(data[at + 4 : end])):
            return "a checksum inside the PNG does not match"
        if kind == b"IEND":
            return None
        at = end + 4
    return "the PNG is cut short"


def _is_whole(data: bytes, at: int, length_at: Callable[[bytes, int], int]) -> bool:
    """Whether it is one piece after the other, the last of them to its end."""
    begin = at
    while (length := length_at(data, at)) and at + length <= len(data):
        at += length
    return begin < at == len(data)


def _adts_length(data: bytes, at: int) -> int:
    """Of the frame that begins here; 0 where none does."""
    head = data[at : at + 7]
    return int.from_bytes(head[3:6], "big") >> 5 & 0x1FFF if len(head) == 7 and _ADTS_SYNC.match(head) else 0


def _ogg_length(data: bytes, at: int) -> int:
    """Of the page that begins here; 0 where none does."""
    head = data[at : at + OGG_HEAD_BYTES]
    if len(head) < OGG_HEAD_BYTES or not head.startswith(b"OggS"):
        return 0
    segments = data[at + OGG_HEAD_BYTES : at + OGG_HEAD_BYTES + head[26]]
    return OGG_HEAD_BYTES + head[26] + sum(segments)


def _wave_flaw(data: bytes) -> str | None:
    try:
        read_wave(data)
    except NotSound as error:
        return str(error)
    return None


def behind_tag(data: bytes) -> int:
    """Where the sound of an MP3 begins; the tag's length is in four bytes of seven bits."""
    if data[:3] != b"ID3" or len(data) < 10:
        return 0
    size = 0
    for byte in data[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size
