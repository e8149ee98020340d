"""Values that cross the process border, so nothing here may import an image library."""

from dataclasses import dataclass, field
from typing import Literal

ImageFormat = Literal["png", "jpeg", "webp", "avif"]
"""What is made."""
SourceFormat = Literal["png", "jpeg", "webp", "heic", "avif", "gif"]
"""What is taken; of a GIF and of a HEIC sequence the first picture. ``heic`` stands for every HEIF with HEVC in it."""

CONTENT_TYPES: dict[ImageFormat, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "avif": "image/avif",
}
SOURCE_TYPES: dict[SourceFormat, str] = {
    "png": "image/png",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "heic": "image/heic",
    "avif": "image/avif",
    "gif": "image/gif",
}

BYTES_MAX = 25 * 1024 * 1024
PIXELS_MAX = 50_000_000
GARMENTS_MAX = 10
POSE_PACKAGE = "mediapipe"
"""The package whose wheel holds the pose model; its code is never imported."""
COMPOSER_VERSION = 4
"""Raised whenever the same spec would give other pixels than before."""

THUMBNAIL_SIDE_PX = 256
"""Long side of a thumbnail; a smaller picture is not enlarged."""
COLOURS_MAX = 5

RefusalCode = Literal[
    "animated",
    "broken",
    "empty_mask",
    "no_garment",
    "no_person",
    "no_room",
    "no_subject",
    "too_many_bytes",
    "too_many_garments",
    "too_many_pixels",
    "unsupported_format",
]


@dataclass(frozen=True, slots=True)
class ImageRefused:
    """Pictures that are never accepted; the message says why and may be shown to their sender."""

    code: RefusalCode
    message: str


@dataclass(frozen=True, slots=True)
class PhotoInfo:
    """A decodable photograph; width and height in pixels, as it is looked at (after EXIF orientation)."""

    format: SourceFormat
    width: int
    height: int
    has_alpha: bool
    marks: bool = True
    """Whether it would mark anything if it were used as a mask."""

    @property
    def content_type(self) -> str:
        return SOURCE_TYPES[self.format]


@dataclass(frozen=True, slots=True)
class Analysis:
    """Analysis of a finished picture from its pixels alone: measures, a small WebP, and its dominant colours as
    ``#rrggbb``, the most frequent first."""

    format: SourceFormat
    width: int
    height: int
    thumbnail: bytes = field(repr=False)
    colours: tuple[str, ...]

    @property
    def content_type(self) -> str:
        return SOURCE_TYPES[self.format]


@dataclass(frozen=True, slots=True)
class Inspection:
    """A picture decoded whole: its measures, by how much the values of one colour channel differ at most (0..255; 0 is
    a plain area), and the SHA-256 of its pixels in hex, the same for the same picture in another file."""

    format: SourceFormat
    width: int
    height: int
    spread: int
    pixels_sha256: str

    @property
    def content_type(self) -> str:
        return SOURCE_TYPES[self.format]


@dataclass(frozen=True, slots=True)
class CompositionSpec:
    """What to compose from the photographs; sides in pixels, 0 where the first photograph decides.

    ``mannequin`` and ``background`` are ids of the catalogue; an empty word leaves the choice to the composer.
    """

    kind: Literal["try_on", "image", "product_shot", "on_model", "flat_lay"]
    seed: int = 0
    image_format: ImageFormat = "png"
    width: int = 0
    height: int = 0
    prompt: str = ""
    style: str = ""
    quality: str = ""
    mannequin: str = ""
    background: str = ""
    transparent: bool = False
    """Whether what is behind the subject is left out; of kind ``image``, and never of a JPEG."""
    compression: int | None = None
    """Quality of a JPEG or a WebP from 0 to 100; None for the usual one."""


@dataclass(frozen=True, slots=True)
class EncodedPicture:
    """A finished picture and what its artefact row needs to know; sha256 in lower-case hex."""

    data: bytes
    content_type: str
    width: int
    height: int
    sha256: str
    model: str = ""
    """The learned model that took part, with its version; empty where none did."""


def size_refusal(data: bytes) -> ImageRefused | None:
    """The refusal of too many bytes, which is cheaper to check here than in a child process."""
    if len(data) <= BYTES_MAX:
        return None
    return ImageRefused("too_many_bytes", f"The image has {len(data)} bytes; at most {BYTES_MAX} are accepted.")


def empty_mask_refusal() -> ImageRefused:
    """The refusal of a mask that marks nothing."""
    return ImageRefused(
        "empty_mask",
        "The mask marks nothing: leave transparent what is to be repainted, or white in a mask without transparency.",
    )


def no_subject_refusal() -> ImageRefused:
    """The refusal of a picture whose background cannot be left out."""
    return ImageRefused("no_subject", "There is nothing in the picture that stands before a background.")


def no_person_refusal() -> ImageRefused:
    """The refusal of a person's photograph in which no person is found whose pose can be told."""
    return ImageRefused(
        "no_person", "There is no person in the photo whose pose can be told: it must show head and shoulders clearly."
    )


def no_room_refusal() -> ImageRefused:
    """The refusal of a person's photograph that does not show where a garment would go: trousers on a bust."""
    return ImageRefused("no_room", "The photo does not show the part of the body that one of the garments covers.")


def count_refusal(garments: int) -> ImageRefused | None:
    if garments == 0:
        return ImageRefused("no_garment", "A try-on needs a photo of at least one garment.")
    if garments > GARMENTS_MAX:
        return ImageRefused("too_many_garments", f"A try-on takes at most {GARMENTS_MAX} garments, not {garments}.")
    return None
