"""Comments in FLAC and in Opus within Ogg: beside the sound, which is neither decoded nor encoded again.

Sources: RFC 9639 (FLAC, section 8.6), RFC 7845 (Opus in Ogg), RFC 3533 (Ogg).
"""

import struct
from collections.abc import Iterator, Sequence

from atelier_render.provenance.containers import Unmarkable

_STREAMINFO, _COMMENT, _LAST = 0, 4, 0x80
_OPUS_TAGS = b"OpusTags"
_OGG_HEAD = 27
_SEGMENT = 255
_PAGE_BYTES_MAX = _SEGMENT * _SEGMENT
_POLYNOMIAL = 0x04C11DB7

Comments = Sequence[tuple[str, str]]


def add_comments(data: bytes, comments: Comments) -> bytes:
    """The same file with these comments beside those that are there. Raises Unmarkable."""
    return _opus(data, comments) if data.startswith(b"OggS") else _flac(data, comments)


def _flac(data: bytes, comments: Comments) -> bytes:
    """A manifest of C2PA is in an ID3 tag before it."""
    begin = data.find(b"fLaC")
    if begin < 0:
        raise Unmarkable("it is no FLAC")
    blocks, at, is_last = list[tuple[int, bytes]](), begin + 4, False
    while not is_last:
        if at + 4 > len(data):
            raise Unmarkable("the FLAC has no sound")
        kind, length = data[at] & 0x7F, int.from_bytes(data[at + 1 : at + 4], "big")
        is_last = bool(data[at] & _LAST)
        blocks.append((kind, data[at + 4 : at + 4 + length]))
        at += 4 + length
    if blocks[0][0] != _STREAMINFO:
        raise Unmarkable("the FLAC does not say what it is")
    present = next((content for kind, content in blocks if kind == _COMMENT), None)
    rest = [block for block in blocks[1:] if block[0] != _COMMENT]
    blocks = [blocks[0], (_COMMENT, _with_comments(present, comments)), *rest]
    head = b"".join(
        bytes([kind | (_LAST if number == len(blocks) else 0)]) + len(content).to_bytes(3, "big") + content
        for number, (kind, content) in enumerate(blocks, 1)
    )
    return data[: begin + 4] + head + data[at:]


def _opus(data: bytes, comments: Comments) -> bytes:
    """The second packet of the stream is the comments; it is put into one page, where it has one."""
    pages = _pages(data)
    first, second = next(pages, b""), next(pages, b"")
    body = _body(second)
    if b"OpusHead" not in first or not body.startswith(_OPUS_TAGS) or second[_OGG_HEAD + second[26] - 1] == _SEGMENT:
        raise Unmarkable("the Ogg has no Opus with its comments in one page")
    packet = _OPUS_TAGS + _with_comments(body[len(_OPUS_TAGS) :], comments)
    if len(packet) >= _PAGE_BYTES_MAX:
        raise Unmarkable("the comments fill a page")
    lacing = bytes([_SEGMENT] * (len(packet) // _SEGMENT) + [len(packet) % _SEGMENT])
    page = second[:22] + bytes(4) + bytes([len(lacing)]) + lacing + packet
    page = page[:22] + struct.pack("<I", _checksum(page)) + page[26:]
    return first + page + data[len(first) + len(second) :]


def _with_comments(present: bytes | None, comments: Comments) -> bytes:
    """A block of comments: the vendor, then each as ``NAME=value``; what follows those in a file is left out."""
    vendor, known = b"", list[bytes]()
    if present is not None:
        fields = _fields(present)
        vendor, known = fields[0], fields[1:]
    all_ = [*known, *(f"{name}={value}".encode() for name, value in comments)]
    listed = b"".join(struct.pack("<I", len(each)) + each for each in all_)
    return struct.pack("<I", len(vendor)) + vendor + struct.pack("<I", len(all_)) + listed


def _fields(block: bytes) -> list[bytes]:
    """The vendor and the comments. Raises Unmarkable."""
    try:
        (length,) = struct.unpack_from("<I", block, 0)
        found, at = [block[4 : 4 + length]], 8 + length
        (count,) = struct.unpack_from("<I", block, 4 + length)
        for _ in range(count):
            (length,) = struct.unpack_from("<I", block, at)
            found.append(block[at + 4 : at + 4 + length])
            at += 4 + length
    except struct.error:
        raise Unmarkable("the comments cannot be read") from None
    return found


def _pages(data: bytes) -> Iterator[bytes]:
    at = 0
    while data[at : at + 4] == b"OggS" and at + _OGG_HEAD <= len(data):
        count = data[at + 26]
        end = at + _OGG_HEAD + count + sum(data[at + _OGG_HEAD : at + _OGG_HEAD + count])
        yield data[at:end]
        at = end


def _body(page: bytes) -> bytes:
    return page[_OGG_HEAD + page[26] :] if len(page) > _OGG_HEAD else b""


def _checksum(page: bytes) -> int:
    """Ogg's: 32 bits, from the highest, nothing inverted."""
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ _POLYNOMIAL if value & 0x8000_0000 else value << 1) & 0xFFFF_FFFF
    return value
