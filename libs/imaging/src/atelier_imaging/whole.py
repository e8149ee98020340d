"""Whether a picture file is there to its end. Decoders forgive a lost tail where the pixels happen to be complete; a
file that was cut is refused all the same, for what it should have been cannot be known.
"""

import re

from .pictures import ImageFormat

_NEXT_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""In JPEG's entropy-coded data: 0xff is stuffed with a zero there, and restart markers belong to it."""
_ALONE = (0x01, *range(0xD0, 0xD9))
"""JPEG's markers without a length."""
_END = 0xD9


def is_whole(data: bytes, format_: ImageFormat) -> bool:
    """Whether the format's own end is reached within the bytes; what follows it is of no interest."""
    return {"png": _png, "jpeg": _jpeg, "webp": _webp}[format_](data)


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
    at = 2
    while (found := _NEXT_MARKER.search(data, at)) is not None:
        marker, at = found[1][0], found.end()
        if marker == _END:
            return True
        if marker not in _ALONE:
            if at + 2 > len(data):
                return False
            at += int.from_bytes(data[at : at + 2], "big")
    return False


def _webp(data: bytes) -> bool:
    """One RIFF chunk that says how long it is."""
    return len(data) >= 12 and 8 + int.from_bytes(data[4:8], "little") <= len(data)
