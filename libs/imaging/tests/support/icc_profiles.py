"""ICC profiles written by hand, so that what they mean is known by formula and not from the library under test."""

import struct
from collections.abc import Callable, Mapping

import numpy as np
from PIL import Image, ImageCms

SRGB_PRIMARIES = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
"""Red, green, blue as XYZ under D50."""
ROTATED = (SRGB_PRIMARIES[1], SRGB_PRIMARIES[2], SRGB_PRIMARIES[0])
"""What is called red is green, what is called green is blue, what is called blue is red."""
D50 = (0.9642, 1.0, 0.8249)


def grey_profile(gamma: float) -> bytes:
    """Grey whose light is the level to the power of gamma."""
    return _profile(b"GRAY", b"XYZ ", {b"wtpt": _xyz(D50), b"kTRC": _curve(gamma)})


def rgb_profile(gamma: float, primaries: tuple[tuple[float, float, float], ...] = SRGB_PRIMARIES) -> bytes:
    """Three channels, each of such light."""
    tags = {b"wtpt": _xyz(D50)}
    for name, primary in zip((b"r", b"g", b"b"), primaries, strict=True):
        tags |= {name + b"XYZ": _xyz(primary), name + b"TRC": _curve(gamma)}
    return _profile(b"RGB ", b"XYZ ", tags)


def cmyk_profile(seen: Callable[[int, int, int, int], tuple[int, int, int]]) -> bytes:
    """Inks by their sixteen full mixtures (each ink 0 or 1), given as sRGB; between them it is mixed in Lab."""
    mixtures = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    rgb = np.array([seen(*mixture) for mixture in mixtures], np.uint8)[None]
    to_lab = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
    lab = np.asarray(ImageCms.applyTransform(Image.fromarray(rgb), to_lab)).copy()[0]
    straight = bytes(range(256))
    table = b"mft1" + bytes(4) + bytes((4, 3, 2, 0))
    table += struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table += straight * 4 + _as_lut(lab) + straight * 3
    return _profile(b"CMYK", b"Lab ", {b"wtpt": _xyz(D50), b"A2B0": table}, kind=b"prtr")


def srgb_level(level: float, gamma: float) -> float:
    """The sRGB level (0..255) of what a profile of this gamma calls ``level``."""
    light = (level / 255) ** gamma
    return float(255 * (12.92 * light if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055))


def _as_lut(lab: np.ndarray[tuple[int, ...], np.dtype[np.uint8]]) -> bytes:
    """Pillow shows a* and b* as signed bytes; the table has them shifted by 128."""
    shifted = lab.astype(np.int16)
    shifted[:, 1:] = (shifted[:, 1:] + 128) % 256
    return shifted.astype(np.uint8).tobytes()


def _xyz(value: tuple[float, ...]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(part * 65536) for part in value))


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IHH", 1, round(gamma * 256), 0)


def _profile(space: bytes, between: bytes, tags: Mapping[bytes, bytes], *, kind: bytes = b"mntr") -> bytes:
    text = b"desc" + bytes(4) + struct.pack(">I", 2) + b"t\0" + bytes(78)
    tags = {b"desc": text, b"cprt": b"text" + bytes(4) + b"none\0\0\0\0"} | dict(tags)
    table, body, start = struct.pack(">I", len(tags)), b"", 128 + 4 + 12 * len(tags)
    for name, tag in tags.items():
        tag += bytes(-len(tag) % 4)
        table += name + struct.pack(">II", start + len(body), len(tag))
        body += tag
    head = struct.pack(">I4sI4s4s4s", 0, b"none", 0x02400000, kind, space, between) + bytes(12) + b"acsp"
    head += bytes(28) + struct.pack(">3i", *(round(part * 65536) for part in D50))
    head += bytes(128 - len(head))
    whole = head + table + body
    return struct.pack(">I", len(whole)) + whole[4:]
