"""Input pictures, and the verification of the delivered one."""

import hashlib
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, UnidentifiedImageError

from atelier_local.errors import AtelierError

UPLOAD_BYTES_MAX = 25 * 1024 * 1024
SIDE_PX_MIN = 128
SIDE_PX_MAX = 8_192
CONTENT_TYPES = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
SUFFIXES = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp"}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture whose pixels could be read; ``format`` is a key of CONTENT_TYPES, ``size`` is in pixels."""

    name: str
    content: bytes
    format: str
    size: tuple[int, int]

    @property
    def content_type(self) -> str:
        """By the bytes, not by the file name."""
        return CONTENT_TYPES[self.format]

    @property
    def facts(self) -> str:
        """Its size in pixels and in bytes."""
        return f"{self.size[0]} × {self.size[1]}, {_amount(len(self.content))}"

    def __str__(self) -> str:
        return f"{self.name} ({self.facts})"


def read_picture(path: Path) -> Picture:
    """A file as a picture. Raises AtelierError when it is missing, too large, or no picture."""
    if not path.is_file():
        raise AtelierError(f"There is no file {path}.")
    if (size := path.stat().st_size) > UPLOAD_BYTES_MAX:
        raise AtelierError(f"{path} has {_amount(size)}; a picture may have {_amount(UPLOAD_BYTES_MAX)}.")
    return to_picture(path.name, path.read_bytes())


def to_picture(name: str, content: bytes) -> Picture:
    """Bytes as a picture. Raises AtelierError unless they are a whole JPEG, PNG or WebP."""
    try:
        with Image.open(io.BytesIO(content), formats=tuple(CONTENT_TYPES)) as image:
            image.load()
            return Picture(name, content, image.format or "", image.size)
    except UnidentifiedImageError:
        raise AtelierError(f"{name} is not a JPEG, PNG or WebP picture.") from None
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise AtelierError(f"{name} cannot be read as a picture: {error}.") from None


def verify_delivered(name: str, content: bytes, checksum: str | None) -> Picture:
    """What was delivered, as a picture. Raises AtelierError unless it is of a plausible size and has the checksum."""
    if checksum is not None and f"sha256:{hashlib.sha256(content).hexdigest()}" != checksum:
        raise AtelierError(f"{name} is not what was rendered: its SHA-256 differs from the one in the record.")
    found = to_picture(name, content)
    if not all(SIDE_PX_MIN <= side <= SIDE_PX_MAX for side in found.size):
        raise AtelierError(f"{name} has an implausible size: {found.size[0]} × {found.size[1]}.")
    if _is_one_colour(content):
        raise AtelierError(f"{name} shows nothing: all its pixels have one colour.")
    return found


def _is_one_colour(content: bytes) -> bool:
    with Image.open(io.BytesIO(content)) as image:
        return all(low == high for low, high in image.convert("RGB").getextrema())  # type: ignore[misc]


def _amount(size: int) -> str:
    return f"{size / 1024 / 1024:.1f} MB" if size >= 1024 * 1024 else f"{size / 1024:.0f} KB"
