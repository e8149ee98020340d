"""Takes a picture file apart before the decoder sees it: what shows the picture stays, everything else is left out.

Texts, thumbnails, second pictures and damaged extras can therefore never decide whether a picture is taken.
"""

import re
from dataclasses import dataclass, field

from atelier_imaging.jpeg_segments import essential_jpeg
from atelier_imaging.pictures import SourceFormat
from atelier_imaging.png_chunks import essential_png

PROFILE_BYTES_MAX = 16 * 1024 * 1024
"""Printers' profiles have up to 4 MB; more is no profile of anything."""

_EXIF_ITEM = re.compile(rb"(infe(?:\x02.{5}|\x03.{7})..)Exif", re.DOTALL)
"""An item's description of version 2 or 3: its id of two or four bytes, protection, and type."""


@dataclass(frozen=True, slots=True)
class Essential:
    """A file that holds one still picture, and what was written beside it about looking at it.

    ``profile`` and ``exif`` are as they came, unjudged; None where the decoder is to say what there is.
    """

    data: bytes = field(repr=False)
    profile: bytes | None = field(default=None, repr=False)
    exif: bytes | None = field(default=None, repr=False)
    animated: bool = False
    grey: bool = False
    """The file's pixels are grey, whatever the decoder makes of them."""
    portable: bool = False
    """Every reader knows this kind of the format."""


def essential(data: bytes, source: SourceFormat) -> Essential:
    """The essential part of a whole file of this format. Raises ValueError for one that is no such file."""
    if source == "png":
        png = essential_png(data, profile_bytes_max=PROFILE_BYTES_MAX)
        return Essential(png.data, png.profile, png.exif, animated=png.animated, grey=png.grey)
    if source == "jpeg":
        jpeg = essential_jpeg(data, profile_bytes_max=PROFILE_BYTES_MAX)
        return Essential(jpeg.data, jpeg.profile, jpeg.exif, portable=jpeg.portable)
    if source in ("heic", "avif"):
        return Essential(_without_exif(data))
    return Essential(data)


def _without_exif(data: bytes) -> bytes:
    """HEIF and AVIF turn pictures by properties of their own; their EXIF may only disagree, or be broken."""
    at = data.find(b"meta", 0, 4096)
    if at < 4:
        return data
    end = min(len(data), at - 4 + int.from_bytes(data[at - 4 : at], "big"))
    return data[:at] + _EXIF_ITEM.sub(rb"\1none", data[at:end]) + data[end:]
