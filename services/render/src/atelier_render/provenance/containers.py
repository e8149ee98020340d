"""PNG and RIFF as rows of chunks: taken apart and put together, the pictures and sounds in them left as they are."""

import struct
import zlib
from collections.abc import Iterator

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


class Unmarkable(ValueError):
    """The container is of no kind that takes a mark, or is not built as its format wants it."""


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin and end of every whole chunk."""
    at = len(PNG_SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        yield data[at + 4 : at + 8], at, at + 12 + length
        at += 12 + length


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def riff_chunks(data: bytes, form: bytes) -> list[tuple[bytes, bytes]]:
    """Type and content of every chunk of a file of this form. Raises Unmarkable."""
    if data[:4] != b"RIFF" or data[8:12] != form:
        raise Unmarkable(f"it is no {form.decode()}")
    chunks, at = [], 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        chunks.append((data[at : at + 4], data[at + 8 : at + 8 + length]))
        at += 8 + length + length % 2
    return chunks


def riff(form: bytes, chunks: list[tuple[bytes, bytes]]) -> bytes:
    """The file of these chunks."""
    body = form + b"".join(riff_chunk(kind, content) for kind, content in chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def riff_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk with its length, to an even number of bytes."""
    return kind + struct.pack("<I", len(content)) + content + b"\0" * (len(content) % 2)


def webp_header(chunks: list[tuple[bytes, bytes]]) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    """The extended header, made where there is none, and the other chunks. Raises Unmarkable."""
    rest = [(kind, content) for kind, content in chunks if kind != b"VP8X"]
    present = next((content for kind, content in chunks if kind == b"VP8X"), None)
    return present or _header_of_simple_file(rest), rest


def _header_of_simple_file(chunks: list[tuple[bytes, bytes]]) -> bytes:
    """One flag for alpha, the sides less one in 24 bits each."""
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
