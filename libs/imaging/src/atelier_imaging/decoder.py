"""The only entry for untrusted pictures: the result is one still photograph, upright, in sRGB.

Formats are recognised by the bytes, never by a name or a header, and the size is checked before a pixel is decoded.
"""

import io
import struct
import warnings
import zlib
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import AvifImagePlugin, Image

from atelier_imaging.colour import to_srgb
from atelier_imaging.completeness import is_complete
from atelier_imaging.container import Essential, essential
from atelier_imaging.pictures import PIXELS_MAX, ImageRefused, PhotoInfo, SourceFormat, size_refusal

# What Pillow's decoders raise on hostile bytes; anything else is a bug of ours and must end the child loudly.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    RuntimeError,
    struct.error,
    zlib.error,
)
_ORIENTATION = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_AVIF_BRANDS = (b"avif", b"avis")
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_BRANDS_BYTES_MAX = 256
_WHITE = 255

AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each further one takes of the memory allowed


@dataclass(frozen=True)
class Photo:
    """Pixels ready to work on, all uint8.

    ``rgb`` (height, width, 3) is what is seen, on white where the picture is transparent. ``straight`` holds the
    colours beside ``alpha`` (height, width), for callers that use both; what is fully transparent is white there.
    """

    straight: NDArray[np.uint8]
    alpha: NDArray[np.uint8] | None
    info: PhotoInfo

    @cached_property
    def rgb(self) -> NDArray[np.uint8]:
        """What is seen of it on white."""
        if self.alpha is None:
            return self.straight
        alpha = self.alpha[..., None].astype(np.uint16)
        return np.asarray((self.straight * alpha + _WHITE * (255 - alpha) + 127) // 255, np.uint8)


@dataclass(frozen=True, slots=True)
class Decoded:
    """The whole picture, RGB or RGBA, upright and in sRGB; ``unchanged`` is the same picture as a JPEG whose pixels are
    these already, with nothing else in the file."""

    image: Image.Image
    source: SourceFormat
    unchanged: bytes | None = field(default=None, repr=False)


def normalise(data: bytes, *, side_max_px: int | None = None) -> Photo | ImageRefused:
    """Decode one picture of at most 25 MB and 50 megapixels; every other input is refused, none raises.

    With ``side_max_px`` the pixels kept are reduced to that long side; ``info`` has the size of the original.
    """
    decoded = decode(data)
    if isinstance(decoded, ImageRefused):
        return decoded
    upright = decoded.image
    info = PhotoInfo(decoded.source, upright.width, upright.height, upright.mode == "RGBA")
    if side_max_px is not None:
        upright.thumbnail((side_max_px, side_max_px), Image.Resampling.LANCZOS)
    return _photo(upright, info)


def decode(data: bytes) -> Decoded | ImageRefused:
    """Opens a picture with Pillow; a refusal has our own text, the same each time."""
    if refused := size_refusal(data):
        return refused
    source = _format_of(data)
    if source is None:
        return ImageRefused("unsupported_format", "The file is not a PNG, JPEG, WebP, HEIC, AVIF or GIF image.")
    if not is_complete(data, source):
        return ImageRefused("broken", f"The {source.upper()} image is truncated.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow warns about what is refused or repaired below
            return _decode(essential(data, source), source)
    except Image.DecompressionBombError:
        return _size_refusal()
    except _BROKEN:
        return ImageRefused("broken", f"The {source.upper()} image cannot be decoded.")


def _format_of(data: bytes) -> SourceFormat | None:
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    return _iso_media_format_of(data) if data[4:8] == b"ftyp" else None


def _iso_media_format_of(data: bytes) -> SourceFormat | None:
    """The brand decides; general ones leave it to the brands beside them."""
    head = data[8 : min(int.from_bytes(data[:4], "big"), _BRANDS_BYTES_MAX)]
    brands = [head[:4], *(head[at : at + 4] for at in range(8, len(head), 4))]
    if any(brand in _AVIF_BRANDS for brand in brands):
        return "avif"
    return "heic" if any(brand in _HEIF_BRANDS for brand in brands) else None


def _decode(file: Essential, source: SourceFormat) -> Decoded | ImageRefused:
    if file.animated:
        return _animation_refusal()
    with Image.open(io.BytesIO(file.data), formats=[_decoder_of(source)]) as image:
        if image.width * image.height > PIXELS_MAX:
            return _size_refusal()
        # Of a GIF and of a HEIC sequence the first picture is taken; phones write the latter without a word.
        if source not in ("gif", "heic") and getattr(image, "is_animated", False):
            return _animation_refusal()
        image.load()
        profile = file.profile or image.info.get("icc_profile")
        turn = _UPRIGHT.get(_orientation(image.info.get("exif") or file.exif))
        rgb, converted = to_srgb(image, profile, grey=file.grey)
        same = file.portable and image.mode == "RGB" and not (turn or converted)
    upright = rgb if turn is None else rgb.transpose(turn)
    return Decoded(upright, source, file.data if same else None)


def _decoder_of(source: SourceFormat) -> str:
    if source != "heic":
        return source
    # Loaded by the first of its kind: its libraries are large, and most services never see one.
    import pillow_heif

    pillow_heif.register_heif_opener(decode_threads=1, thumbnails=False, depth_images=False, aux_images=False)
    return "heif"


def _orientation(exif: bytes | None) -> int:
    """As EXIF says; 1, which is upright, where it says nothing that can be read."""
    tags = Image.Exif()
    try:
        tags.load(exif or b"")
        orientation = tags.get(_ORIENTATION, 1)
        return int(orientation[0] if isinstance(orientation, bytes) else orientation)
    except _BROKEN:
        return 1


def _animation_refusal() -> ImageRefused:
    return ImageRefused("animated", "The image is animated; send a still image.")


def _size_refusal() -> ImageRefused:
    return ImageRefused("too_many_pixels", f"The image is larger than {PIXELS_MAX // 1_000_000} megapixels.")


def _photo(image: Image.Image, info: PhotoInfo) -> Photo:
    pixels = np.asarray(image)
    if not info.has_alpha:
        return Photo(np.ascontiguousarray(pixels), None, info)
    straight, alpha = pixels[..., :3].copy(), pixels[..., 3].copy()
    straight[alpha == 0] = _WHITE
    return Photo(straight, alpha, info)
