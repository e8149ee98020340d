"""A PNG without what its pixels do not need: ancillary chunks are read by us, within bounds, or not at all."""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_RAW_EXIF = (b"Raw profile type exif", b"Raw profile type APP1")
"""Keywords under which older tools write EXIF as text, in hex."""
_EXIF_BYTES_MAX = 256 * 1024
_GREY, _RGB, _PALETTE, _GREY_ALPHA = 0, 2, 3, 4
_HEX_HEAD = re.compile(rb"\s*[a-zA-Z0-9]*\s+\d+\s+")


@dataclass(frozen=True, slots=True)
class Png:
    """The same picture in fewer chunks; ``profile`` and ``exif`` as they came, None where they cannot be read."""

    data: bytes
    profile: bytes | None
    exif: bytes | None
    animated: bool
    grey: bool


@dataclass(frozen=True, slots=True)
class _Chunk:
    kind: bytes
    body: memoryview
    raw: memoryview

    @property
    def sound(self) -> bool:
        return zlib.crc32(self.raw[4:-4]) == int.from_bytes(self.raw[-4:], "big")


def essential_png(data: bytes, *, profile_bytes_max: int) -> Png:
    """Raises ValueError where the first chunk is no header."""
    depth, colour = _header(data)
    kept: list[bytes | memoryview] = [SIGNATURE]
    profile = exif = raw_exif = None
    frames = 0
    for chunk in _chunks(data):
        if chunk.kind in _KEPT:
            kept.append(chunk.raw)
        elif chunk.kind == b"tRNS" and chunk.sound:
            kept.append(_transparency(bytes(chunk.body), depth, colour))
        elif chunk.kind == b"iCCP" and profile is None and chunk.sound:
            profile = _profile(bytes(chunk.body), profile_bytes_max)
        elif chunk.kind == b"eXIf" and exif is None and len(chunk.body) <= _EXIF_BYTES_MAX and chunk.sound:
            exif = bytes(chunk.body)
        elif chunk.kind in (b"zTXt", b"tEXt") and raw_exif is None and chunk.sound:
            raw_exif = _raw_exif(chunk)
        elif chunk.kind == b"acTL" and chunk.sound:
            frames = int.from_bytes(chunk.body[:4], "big")
    return Png(b"".join(kept), profile, exif or raw_exif, frames > 1, colour in (_GREY, _GREY_ALPHA))


def _header(data: bytes) -> tuple[int, int]:
    """Bits of a channel, and the type of colour."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        raise ValueError("a PNG begins with its header")
    return data[24], data[25]


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Up to and with IEND."""
    view, at = memoryview(data), len(SIGNATURE)
    while at + 12 <= len(data):
        length = int.from_bytes(view[at : at + 4], "big")
        kind, end = bytes(view[at + 4 : at + 8]), at + 12 + length
        yield _Chunk(kind, view[at + 8 : end - 4], view[at:end])
        if kind == b"IEND":
            return
        at = end


def _transparency(body: bytes, depth: int, colour: int) -> bytes:
    """The chunk with its colour in the depth that Pillow compares in: 8 bits, but for grey of 16 and of 1."""
    needed = {_GREY: 2, _RGB: 6, _PALETTE: 1}.get(colour)
    if needed is None or len(body) < needed:
        return b""
    if colour == _GREY and depth in (2, 4):
        body = (int.from_bytes(body[:2], "big") * 255 // (2**depth - 1)).to_bytes(2, "big")
    if colour == _RGB and depth == 16:
        body = bytes(value for place in (0, 2, 4) for value in (0, body[place]))
    kind = b"tRNS"
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def _profile(body: bytes, bytes_max: int) -> bytes | None:
    _, _, packed = body.partition(b"\0")
    return _inflate(packed[1:], bytes_max)


def _raw_exif(chunk: _Chunk) -> bytes | None:
    keyword, _, text = bytes(chunk.body[: 2 * _EXIF_BYTES_MAX]).partition(b"\0")
    if keyword not in _RAW_EXIF:
        return None
    if chunk.kind == b"zTXt":
        text = _inflate(text[1:], 4 * _EXIF_BYTES_MAX) or b""
    head = _HEX_HEAD.match(text)
    try:
        return bytes.fromhex(text[head.end() :].decode("ascii")) if head else None
    except ValueError:
        return None


def _inflate(packed: bytes, bytes_max: int) -> bytes | None:
    """Unpacked, where that is possible within bounds."""
    unpacking = zlib.decompressobj()
    try:
        inflated = unpacking.decompress(packed, bytes_max)
    except zlib.error:
        return None
    return inflated if unpacking.eof else None
