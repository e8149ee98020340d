"""The mark that needs no signature: IPTC's digital source type, as XMP in pictures, ID3 in MP3 and AAC, INFO in WAVE,
Vorbis comments in FLAC and Opus (``vorbis_comments.py``); of AVIF: ``avif_metadata.py``.

Bytes are put beside the picture, never into it: what a provider made is neither decoded nor encoded again. XMP that is
there already is added to. Sources: XMP Specification part 3, PNG 3 section 11.3.3, RFC 9649 (WebP), ID3v2.4.
"""

import struct
from dataclasses import dataclass

from atelier_imaging.xmp import xmp_packet
from atelier_render.provenance.avif_metadata import add_xmp
from atelier_render.provenance.containers import (
    PNG_SIGNATURE,
    Unmarkable,
    png_chunk,
    png_chunks,
    riff,
    riff_chunk,
    riff_chunks,
    webp_header,
)
from atelier_render.provenance.source_types import DigitalSourceType
from atelier_render.provenance.vorbis_comments import add_comments

PNG_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"
"""The chunk's keyword, no compression, no language, no translated keyword."""
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"


@dataclass(frozen=True, slots=True)
class Tag:
    """What is said: how it came to be, by which software."""

    source: DigitalSourceType
    tool: str


def add_tag(data: bytes, content_type: str, tag: Tag) -> bytes:
    """The same output with its tag. Raises Unmarkable."""
    match content_type:
        case "image/png":
            return _png(data, tag)
        case "image/jpeg":
            return _jpeg(data, tag)
        case "image/webp":
            return _webp(data, tag)
        case "image/avif":
            return add_xmp(data, lambda present: _packet(tag, present))
        case "audio/flac" | "audio/ogg":
            return add_comments(data, [("DigitalSourceType", tag.source), ("CreatorTool", tag.tool)])
        case "audio/mpeg" | "audio/aac":
            return _id3(tag) + data if not data.startswith(b"ID3") else data
        case "audio/wav":
            return _wave(data, tag)
    raise Unmarkable(f"{content_type} takes no mark")


def _packet(tag: Tag, present: bytes | None = None) -> bytes:
    return xmp_packet(tag.source, tag.tool, present)


def _png(data: bytes, tag: Tag) -> bytes:
    if not data.startswith(PNG_SIGNATURE) or data[12:16] != b"IHDR":
        raise Unmarkable("the PNG has no header")
    after_header = len(PNG_SIGNATURE) + 25
    present = None
    pieces = list[bytes]()
    for kind, begin, end in png_chunks(data):
        if kind == b"iTXt" and data.startswith(PNG_XMP, begin + 8):
            present = data[begin + 8 + len(PNG_XMP) : end - 4]
        elif begin >= after_header:
            pieces.append(data[begin:end])
    return b"".join([data[:after_header], png_chunk(b"iTXt", PNG_XMP + _packet(tag, present)), *pieces])


def _jpeg(data: bytes, tag: Tag) -> bytes:
    if not data.startswith(b"\xff\xd8"):
        raise Unmarkable("the JPEG has no start")
    head, at = bytearray(), 2
    present: bytes | None = None
    while data[at : at + 1] == b"\xff" and 0xE0 <= data[at + 1] <= 0xEF:
        (length,) = struct.unpack_from(">H", data, at + 2)
        segment = data[at : at + 2 + length]
        if segment[1] == 0xE1 and segment[4:].startswith(JPEG_XMP):
            present = segment[4 + len(JPEG_XMP) :]
        else:
            head += segment
        at += 2 + length
    content = JPEG_XMP + _packet(tag, present)
    if len(content) > 65_533:
        content = JPEG_XMP + _packet(tag)
    # JFIF must stay the first segment, so the packet goes behind those that were there.
    return data[:2] + bytes(head) + b"\xff\xe1" + struct.pack(">H", len(content) + 2) + content + data[at:]


def _webp(data: bytes, tag: Tag) -> bytes:
    header, chunks = webp_header(riff_chunks(data, b"WEBP"))
    present = next((content for kind, content in chunks if kind == b"XMP "), None)
    rest = [(kind, content) for kind, content in chunks if kind != b"XMP "]
    flagged = bytes([header[0] | 0x04]) + header[1:]
    return riff(b"WEBP", [(b"VP8X", flagged), *rest, (b"XMP ", _packet(tag, present))])


def _wave(data: bytes, tag: Tag) -> bytes:
    chunks = riff_chunks(data, b"WAVE")
    said = [(b"ICMT", f"DigitalSourceType: {tag.source}".encode()), (b"ISFT", tag.tool.encode())]
    info = b"INFO" + b"".join(riff_chunk(kind, text + b"\0") for kind, text in said)
    return riff(b"WAVE", [*chunks, (b"LIST", info)])


def _id3(tag: Tag) -> bytes:
    """ID3v2.4 with two text frames of our own."""
    frames = b"".join(
        _id3_frame(b"TXXX", b"\x03" + name + b"\0" + value.encode())
        for name, value in ((b"DigitalSourceType", tag.source), (b"CreatorTool", tag.tool))
    )
    return b"ID3\x04\x00\x00" + _syncsafe(len(frames)) + frames


def _id3_frame(kind: bytes, content: bytes) -> bytes:
    return kind + _syncsafe(len(content)) + b"\0\0" + content


def _syncsafe(number: int) -> bytes:
    return bytes(number >> shift & 0x7F for shift in (21, 14, 7, 0))
