"""XMP in AVIF: one more item of the file, behind what is there; the picture's own bytes stay as they are.

Sources: ISO/IEC 14496-12 section 8.11 (meta, iloc, iinf, iref), ISO/IEC 23008-12 (items, ``cdsc``), AVIF 1.1.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace

from atelier_render.provenance.containers import Unmarkable

_XMP_TYPE = b"application/rdf+xml"
_FULL_BOX_HEAD = 12
"""Length, type, version and flags."""
_SHORT_ID_MAX = 0xFFFF

Box = tuple[bytes, bytes]
"""Its type and all of its bytes."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where the bytes of one item are; ``method`` 0 counts from the file's start, others within the description."""

    item: int
    method: int
    reference: int
    base: int
    extents: tuple[tuple[int, int, int], ...]
    """Index, offset from the base, length."""

    def moved(self, behind: int, by: int) -> "Location":
        """The same after everything from ``behind`` on has moved."""
        if self.method != 0 or self.reference != 0:
            return self
        if self.base:
            return replace(self, base=self.base + by) if self.base >= behind else self
        moved = ((index, at + by if at >= behind else at, length) for index, at, length in self.extents)
        return replace(self, extents=tuple(moved))


@dataclass(frozen=True, slots=True)
class LocationTable:
    """The ``iloc`` box: its version, the sizes of its fields, its entries."""

    version: int
    sizes: tuple[int, int, int, int]
    """Of offsets, lengths, bases and indices, in bytes."""
    entries: tuple[Location, ...]

    def box(self) -> bytes:
        """The whole box. Raises OverflowError where a number does not fit its field."""
        offset, length, base, index = self.sizes
        wide = 4 if self.version == 2 else 2
        body = bytes([offset << 4 | length, base << 4 | index]) + len(self.entries).to_bytes(wide, "big")
        for entry in self.entries:
            body += entry.item.to_bytes(wide, "big")
            body += entry.method.to_bytes(2, "big") if self.version else b""
            body += entry.reference.to_bytes(2, "big") + entry.base.to_bytes(base, "big")
            body += len(entry.extents).to_bytes(2, "big")
            for number, at, size in entry.extents:
                body += number.to_bytes(index, "big") if self.version else b""
                body += at.to_bytes(offset, "big") + size.to_bytes(length, "big")
        return _full_box(b"iloc", self.version, body)


def add_xmp(data: bytes, packet_from: Callable[[bytes | None], bytes]) -> bytes:
    """The same file with the packet made from the one that is there, or from None. Raises Unmarkable."""
    try:
        return _add_xmp(data, packet_from)
    except (struct.error, IndexError, KeyError, OverflowError) as error:
        raise Unmarkable(f"the AVIF is not built as its format wants it: {error!r}") from error


def _add_xmp(data: bytes, packet_from: Callable[[bytes | None], bytes]) -> bytes:
    top = _boxes(data, 0)
    if [kind for kind, _ in top].count(b"meta") != 1:
        raise Unmarkable("the AVIF has no description of its picture, or several")
    place = next(number for number, (kind, _) in enumerate(top) if kind == b"meta")
    begin = sum(len(box) for _, box in top[:place])
    end = begin + len(top[place][1])
    parts = dict(children := _boxes(top[place][1], _FULL_BOX_HEAD))
    if len(parts) != len(children):
        raise Unmarkable("the AVIF describes its picture twice")
    table, item = _read_locations(parts[b"iloc"]), _xmp_item(parts[b"iinf"])
    packet = packet_from(None if item is None else _content(data, table, item))
    if item is None:
        item = 1 + max(entry.item for entry in table.entries)
        parts[b"iinf"] = _with_description(parts[b"iinf"], item)
        parts[b"iref"] = _with_reference(parts.get(b"iref"), item, _primary(parts[b"pitm"]))
    others = tuple(entry for entry in table.entries if entry.item != item)

    def described(by: int, at: int) -> bytes:
        entries = *(entry.moved(end, by) for entry in others), Location(item, 0, 0, 0, ((0, at, len(packet)),))
        parts[b"iloc"] = replace(table, entries=entries).box()
        return _full_box(b"meta", 0, b"".join(parts.values()))

    grown = len(described(0, 0)) - (end - begin)
    meta = described(grown, len(data) + grown + 8)
    return data[:begin] + meta + data[end:] + _box(b"mdat", packet)


def _read_locations(box: bytes) -> LocationTable:
    version, at = box[8], _FULL_BOX_HEAD + 2
    if version > 2:
        raise Unmarkable("the AVIF locates its parts in a newer way")
    packed = int.from_bytes(box[_FULL_BOX_HEAD:at], "big")
    offset, length, base, index = (packed >> shift & 15 for shift in (12, 8, 4, 0))
    wide, entries = 4 if version == 2 else 2, list[Location]()

    def take(size: int) -> int:
        nonlocal at
        if at + size > len(box):
            raise IndexError("a field beyond its box")
        at += size
        return int.from_bytes(box[at - size : at], "big")

    for _ in range(take(wide)):
        item, method, reference = take(wide), take(2) if version else 0, take(2)
        start = take(base)
        extents = tuple((take(index) if version else 0, take(offset), take(length)) for _ in range(take(2)))
        entries.append(Location(item, method, reference, start, extents))
    return LocationTable(version, (offset, length, base, index if version else 0), tuple(entries))


def _content(data: bytes, table: LocationTable, item: int) -> bytes | None:
    """The bytes of an item that lie in the file as they are; None for others."""
    for entry in table.entries:
        if entry.item == item and entry.method == 0:
            return b"".join(data[entry.base + at : entry.base + at + size] for _, at, size in entry.extents)
    return None


def _descriptions(box: bytes) -> list[Box]:
    return _boxes(box, _FULL_BOX_HEAD + (4 if box[8] else 2))


def _xmp_item(box: bytes) -> int | None:
    for _, entry in _descriptions(box):
        if _XMP_TYPE in entry and b"mime" in entry:
            return int.from_bytes(entry[12 : 16 if entry[8] == 3 else 14], "big")
    return None


def _with_description(box: bytes, item: int) -> bytes:
    if item > _SHORT_ID_MAX:
        raise Unmarkable("the AVIF has no number left for one more item")
    wide = 4 if box[8] else 2
    count = int.from_bytes(box[_FULL_BOX_HEAD : _FULL_BOX_HEAD + wide], "big") + 1
    entry = _full_box(b"infe", 2, item.to_bytes(2, "big") + bytes(2) + b"mimeXMP\0" + _XMP_TYPE + b"\0")
    return _full_box(b"iinf", box[8], count.to_bytes(wide, "big") + box[_FULL_BOX_HEAD + wide :] + entry)


def _with_reference(box: bytes | None, item: int, picture: int) -> bytes:
    """Says which picture is described."""
    version = box[8] if box else 0
    wide = 4 if version else 2
    described = item.to_bytes(wide, "big") + (1).to_bytes(2, "big") + picture.to_bytes(wide, "big")
    return _full_box(b"iref", version, (box[_FULL_BOX_HEAD:] if box else b"") + _box(b"cdsc", described))


def _primary(box: bytes) -> int:
    return int.from_bytes(box[_FULL_BOX_HEAD:], "big")


def _boxes(data: bytes, at: int) -> list[Box]:
    """The boxes from here to the end of the bytes. One that is said to go to the end, or beyond, raises Unmarkable."""
    found = list[Box]()
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
        if length < 8 or at + length > len(data):
            raise Unmarkable("a box of the AVIF does not say how long it is")
        found.append((kind, data[at : at + length]))
        at += length
    return found


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _full_box(kind: bytes, version: int, content: bytes) -> bytes:
    return _box(kind, bytes([version, 0, 0, 0]) + content)
