"""The ICC profile of sRGB in outputs that do not say what their colours are: put beside the pixels, like the marks.

A picture that says it in another way (a PNG's chunks, an AVIF's ``nclx``) is left as it is, and so is one that is grey
or of four inks. Sources: PNG 3 section 11.3.2, ICC.1 annex B.4 (JPEG), RFC 9649 (WebP).
"""

import struct
import zlib

from atelier_imaging.jpeg_segments import FRAMES, segments
from atelier_imaging.srgb import SRGB_PROFILE
from atelier_render.provenance.containers import (
    PNG_SIGNATURE,
    Unmarkable,
    png_chunk,
    png_chunks,
    riff,
    riff_chunks,
    webp_header,
)

_PNG_COLOUR = 25
"""Where a PNG says whether it has colours."""
_HAS_COLOUR = 0x02
_SAYS_COLOURS = frozenset({b"iCCP", b"sRGB", b"cICP", b"gAMA", b"cHRM"})
_JPEG_PROFILE = b"ICC_PROFILE\0"
_APP0, _APP2 = 0xE0, 0xE2
_WEBP_HAS_PROFILE = 0x20


def with_profile(data: bytes, content_type: str) -> bytes:
    """The same output with its profile; as it is where it needs none or cannot take one."""
    try:
        match content_type:
            case "image/png":
                return _png(data)
            case "image/jpeg":
                return _jpeg(data)
            case "image/webp":
                return _webp(data)
    except (Unmarkable, struct.error, IndexError):
        pass
    return data


def _png(data: bytes) -> bytes:
    after_header = len(PNG_SIGNATURE) + 25
    if not data.startswith(PNG_SIGNATURE) or not data[_PNG_COLOUR] & _HAS_COLOUR:
        return data
    if any(kind in _SAYS_COLOURS for kind, _, _ in png_chunks(data)):
        return data
    profile = png_chunk(b"iCCP", b"sRGB\0\0" + zlib.compress(SRGB_PROFILE, 9))
    return data[:after_header] + profile + data[after_header:]


def _jpeg(data: bytes) -> bytes:
    """Behind JFIF, which must stay the first segment."""
    at = 2
    for marker, begin, end in segments(data):
        if marker == _APP0 and begin == at:
            at = end
        if marker == _APP2 and data[begin:end].find(_JPEG_PROFILE, 0, 16) >= 0:
            return data
        if marker in FRAMES:
            if data[begin + 9] != 3:
                return data
            break
    content = _JPEG_PROFILE + b"\x01\x01" + SRGB_PROFILE
    return data[:at] + b"\xff\xe2" + struct.pack(">H", len(content) + 2) + content + data[at:]


def _webp(data: bytes) -> bytes:
    chunks = riff_chunks(data, b"WEBP")
    if any(kind == b"ICCP" for kind, _ in chunks):
        return data
    header, rest = webp_header(chunks)
    flagged = bytes([header[0] | _WEBP_HAS_PROFILE]) + header[1:]
    return riff(b"WEBP", [(b"VP8X", flagged), (b"ICCP", SRGB_PROFILE), *rest])
