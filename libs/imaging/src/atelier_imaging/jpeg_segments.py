"""A JPEG without what its pixels do not need: no metadata, no second picture, nothing behind its end."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_NEXT_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)
"""In entropy-coded data 0xff is stuffed with a zero, and restart markers belong to it."""
_BARE = (0x01, *range(0xD0, 0xD9))
"""Markers without a length."""
_START_OF_SCAN, _END = 0xDA, 0xD9
_APPLICATION = range(0xE0, 0xF0)
_COMMENT = 0xFE
_JFIF, _EXIF, _ICC, _ADOBE = 0xE0, 0xE1, 0xE2, 0xEE
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of the segment that holds the size."""
_PORTABLE_FRAMES = frozenset({0xC0, 0xC1, 0xC2})
"""Baseline, extended and progressive by Huffman's code; few readers know the others."""
_EXIF_HEAD, _ICC_HEAD = b"Exif\0\0", b"ICC_PROFILE\0"


@dataclass(frozen=True, slots=True)
class Jpeg:
    """The same picture in fewer segments; ``profile`` and ``exif`` as they came, None where they cannot be read."""

    data: bytes
    profile: bytes | None
    exif: bytes | None
    portable: bool


@dataclass(slots=True)
class _Profile:
    """The parts of a profile, which may come in any order, by their number."""

    bytes_max: int
    count: int = 0
    parts: dict[int, bytes] = field(default_factory=dict)

    def add(self, body: bytes) -> None:
        if len(body) > len(_ICC_HEAD) + 2:
            number, self.count = body[len(_ICC_HEAD)], body[len(_ICC_HEAD) + 1]
            self.parts.setdefault(number, body[len(_ICC_HEAD) + 2 :])

    @property
    def whole(self) -> bytes | None:
        if not self.count or set(self.parts) != set(range(1, self.count + 1)):
            return None
        joined = b"".join(self.parts[number] for number in sorted(self.parts))
        return joined if len(joined) <= self.bytes_max else None


def end_of_jpeg(data: bytes) -> int | None:
    """Where the picture's own end lies; None where the file was cut before it."""
    return next((end for marker, _, end in segments(data) if marker == _END), None)


def essential_jpeg(data: bytes, *, profile_bytes_max: int) -> Jpeg:
    """Raises ValueError where no picture ends."""
    kept, exif, profile, portable = [data[:2]], None, _Profile(profile_bytes_max), False
    end = end_of_jpeg(data)
    if end is None:
        raise ValueError("a JPEG has an end")
    for marker, start, stop in segments(data):
        if marker == _START_OF_SCAN:
            kept.append(data[start:end])
            break
        body = data[start + 4 : stop]
        if marker == _EXIF and exif is None and body.startswith(_EXIF_HEAD):
            exif = body
        if marker == _ICC and body.startswith(_ICC_HEAD):
            profile.add(body)
        if marker in FRAMES:
            portable = marker in _PORTABLE_FRAMES
        if _is_needed_by_decoder(marker):
            kept.append(data[start:stop])
    return Jpeg(b"".join(kept), profile.whole, exif, portable)


def _is_needed_by_decoder(marker: int) -> bool:
    """Whether the decoder needs it: JFIF's and Adobe's segments say how the colours are coded."""
    return marker in (_JFIF, _ADOBE) or not (marker in _APPLICATION or marker == _COMMENT)


def segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, place of its 0xff, and end; entropy-coded data is passed over."""
    at = 2
    while (found := _NEXT_MARKER.search(data, at)) is not None:
        marker, start, at = found[1][0], found.end() - 2, found.end()
        if marker not in _BARE and marker != _END:
            if at + 2 > len(data):
                return
            at += int.from_bytes(data[at : at + 2], "big")
        yield marker, start, at
        if marker == _END:
            return
