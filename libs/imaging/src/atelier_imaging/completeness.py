"""Whether a picture file is complete. Decoders accept a lost tail where the pixels happen to be complete; a truncated
file is refused all the same, because its intended content is unknown.
"""

from atelier_imaging.jpeg_segments import end_of_jpeg
from atelier_imaging.pictures import SourceFormat

_GIF_COLOURS, _GIF_IMAGE, _GIF_EXTENSION, _GIF_END = 0x80, 0x2C, 0x21, 0x3B


def is_complete(data: bytes, source: SourceFormat) -> bool:
    """Whether the format's own end is reached within the bytes; what follows it is of no interest."""
    checks = {"png": _png, "jpeg": _jpeg, "webp": _webp, "gif": _gif, "heic": _boxes, "avif": _boxes}
    return checks[source](data)


def _png(data: bytes) -> bool:
    """Chunks of length, type, data and checksum, up to IEND."""
    at = 8
    while at + 12 <= len(data):
        kind = data[at + 4 : at + 8]
        at += 12 + int.from_bytes(data[at : at + 4], "big")
        if kind == b"IEND":
            return at <= len(data)
    return False


def _jpeg(data: bytes) -> bool:
    """Segments, and scans of entropy-coded data, up to the EOI marker."""
    return end_of_jpeg(data) is not None


def _webp(data: bytes) -> bool:
    """One RIFF chunk that says how long it is."""
    return len(data) >= 12 and 8 + int.from_bytes(data[4:8], "little") <= len(data)


def _gif(data: bytes) -> bool:
    """Blocks up to the end of the first picture, which is the one that is used."""
    if len(data) < 13:
        return False
    at = 13 + _colour_table(data[10])
    while at < len(data) and data[at] != _GIF_END:
        if data[at] == _GIF_EXTENSION:
            at = _behind_blocks(data, at + 2)
        elif data[at] == _GIF_IMAGE and at + 10 < len(data):
            return _behind_blocks(data, at + 11 + _colour_table(data[at + 9])) <= len(data)
        else:
            return False
    return False


def _colour_table(flags: int) -> int:
    return 3 << (flags & 7) + 1 if flags & _GIF_COLOURS else 0


def _behind_blocks(data: bytes, at: int) -> int:
    """Past a row of blocks, each with its length before it, that an empty one ends; past the file where none does."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1


def _boxes(data: bytes) -> bool:
    """Boxes that say how long they are, among them one with the description and one with the data."""
    at, seen = 0, set[bytes]()
    while at + 8 <= len(data):
        kind, length = data[at + 4 : at + 8], int.from_bytes(data[at : at + 4], "big")
        if {b"meta", b"mdat"} <= seen and not kind.isalnum():
            return True  # something that was appended to the file
        if length == 1:
            length = int.from_bytes(data[at + 8 : at + 16], "big")
        at = len(data) if length == 0 else at + max(length, 8)
        seen.add(kind)
    return b"meta" in seen and at <= len(data)
