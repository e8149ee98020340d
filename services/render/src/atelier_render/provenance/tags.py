"""The mark that needs no signature: IPTC's digital source type, as XMP in pictures, ID3 in MP3 and AAC, INFO in WAVE,
Vorbis comments in FLAC and Opus (``vorbis_comments.py``).

Bytes are put beside the picture, never into it: what a provider made is neither decoded nor encoded again. XMP that is
there already is added to. Sources: XMP Specification part 3, PNG 3 section 11.3.3, RFC 9649 (WebP), ID3v2.4.
"""

import struct
import zlib
from dataclasses import dataclass
from xml.sax.saxutils import quoteattr

from atelier_render.provenance.source_types import DigitalSourceType
from atelier_render.provenance.vorbis_comments import Unmarkable as Unmarkable
from atelier_render.provenance.vorbis_comments import add_comments

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PNG_XMP = b"XML:com.adobe.xmp\0\0\0\0\0"
"""The chunk's keyword, no compression, no language, no translated keyword."""
JPEG_XMP = b"http://ns.adobe.com/xap/1.0/\0"
_NAMESPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
)
_END = b"</rdf:RDF>"


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
        case "audio/flac" | "audio/ogg":
            return add_comments(data, [("DigitalSourceType", tag.source), ("CreatorTool", tag.tool)])
        case "audio/mpeg" | "audio/aac":
            return _id3(tag) + data if not data.startswith(b"ID3") else data
        case "audio/wav":
            return _wave(data, tag)
    raise Unmarkable(f"{content_type} takes no mark")


def _description(tag: Tag) -> str:
    source, tool = quoteattr(tag.source), quoteattr(tag.tool)
    return (
        f'<rdf:Description rdf:about="" {_NAMESPACES} Iptc4xmpExt:DigitalSourceType={source} xmp:CreatorTool={tool}/>'
    )


def _packet(tag: Tag, present: bytes | None = None) -> bytes:
    """A whole XMP packet; ``present`` with one more description, where it is one that can be added to."""
    if present is not None and present.count(_END) == 1:
        return present.replace(_END, _description(tag).encode() + _END)
    begin = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    rdf = f"<rdf:RDF {_NAMESPACES}>{_description(tag)}</rdf:RDF>"
    return f'{begin}<x:xmpmeta xmlns:x="adobe:ns:meta/">{rdf}</x:xmpmeta><?xpacket end="r"?>'.encode()


def _png(data: bytes, tag: Tag) -> bytes:
    if not data.startswith(PNG_SIGNATURE) or data[12:16] != b"IHDR":
        raise Unmarkable("the PNG has no header")
    after_header = len(PNG_SIGNATURE) + 25
    present: bytes | None = None
    rest = bytearray()
    at = after_header
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind == b"iTXt" and content.startswith(PNG_XMP):
            present = content[len(PNG_XMP) :]
        else:
            rest += data[at : at + 12 + length]
        at += 12 + length
    return data[:after_header] + _png_chunk(b"iTXt", PNG_XMP + _packet(tag, present)) + bytes(rest)


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


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
    chunks = _riff_chunks(data, b"WEBP")
    present = next((content for kind, content in chunks if kind == b"XMP "), None)
    rest = [(kind, content) for kind, content in chunks if kind not in (b"XMP ", b"VP8X")]
    header = next((content for kind, content in chunks if kind == b"VP8X"), None) or _webp_header(rest)
    flagged = bytes([header[0] | 0x04]) + header[1:]
    return _riff(b"WEBP", [(b"VP8X", flagged), *rest, (b"XMP ", _packet(tag, present))])


def _webp_header(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """The extended header of a simple file: one flag for alpha, the sides less one in 24 bits each."""
    kind, content = chunks[0] if chunks else (b"", b"")
    if kind == b"VP8L" and len(content) >= 5:
        (bits,) = struct.unpack_from("<I", content, 1)
        width, height, has_alpha = (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1, bits >> 28 & 1
    elif kind == b"VP8 " and len(content) >= 10:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", content, 6))
        has_alpha = 0
    else:
        raise Unmarkable("the WebP holds no picture")
    sides = b"".join(int(side - 1).to_bytes(3, "little") for side in (width, height))
    return bytes([0x10 * has_alpha, 0, 0, 0]) + sides


def _wave(data: bytes, tag: Tag) -> bytes:
    chunks = _riff_chunks(data, b"WAVE")
    said = [(b"ICMT", f"DigitalSourceType: {tag.source}".encode()), (b"ISFT", tag.tool.encode())]
    info = b"INFO" + b"".join(_riff_chunk(kind, text + b"\0") for kind, text in said)
    return _riff(b"WAVE", [*chunks, (b"LIST", info)])


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


def _riff_chunks(data: bytes, form: bytes) -> list[tuple[bytes, bytes]]:
    if data[:4] != b"RIFF" or data[8:12] != form:
        raise Unmarkable(f"it is no {form.decode()}")
    chunks, at = [], 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        chunks.append((data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return chunks


def _riff(form: bytes, chunks: list[tuple[bytes, bytes]]) -> bytes:
    body = form + b"".join(_riff_chunk(kind, content) for kind, content in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def _riff_chunk(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)
