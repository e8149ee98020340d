"""From the bytes a service answered with to a picture that may be delivered: whole, within bounds, and as requested.

What is as requested stays byte for byte as it was made. Where a service makes other sizes or formats than requested,
an image child decodes the picture, crops it in the middle and encodes it again.
"""

import base64
import binascii
from dataclasses import dataclass

from atelier_contracts import RenderSpec
from atelier_contracts.value_objects import ImageFormat
from atelier_imaging.pictures import BYTES_MAX, CONTENT_TYPES, PIXELS_MAX, ImageRefused
from atelier_imaging.pool import ImageQueueFull, ImageWorkerDied, ImageWorkers
from atelier_render.providers.protocol import Picture
from atelier_render.providers.toolkit.file_checks import flaw, type_of
from atelier_render.providers.toolkit.image_size import sides

TRIES = 2
MANIFEST = b"c2pa"
"""The label of every C2PA manifest."""


@dataclass(frozen=True, slots=True)
class TargetImage:
    """What is to be delivered: sides in pixels, a format, and how it is encoded where it is encoded here."""

    width: int
    height: int
    image_format: ImageFormat
    transparent: bool = False
    compression: int | None = None
    """A quality that the maker was not asked for, so that what it made is encoded again."""

    @classmethod
    def by(cls, spec: RenderSpec, size: str) -> "TargetImage":
        """What a request asks for that is made at this size, such as ``1024x1536``."""
        width, _, height = size.partition("x")
        compression = spec.compression if spec.format != "png" else None
        return cls(int(width), int(height), spec.format, spec.transparent, compression)


@dataclass(frozen=True, slots=True)
class Unusable:
    """Why what was made cannot be delivered."""

    reason: str


class ImageNormaliser:
    """Judges and fits pictures with the image workers' help."""

    def __init__(self, images: ImageWorkers) -> None:
        self._images = images

    async def from_base64(self, text: str, wanted: TargetImage) -> Picture | Unusable:
        """The same, of a picture that came as base64."""
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            return Unusable("the picture is not base64")
        return await self.normalise(data, wanted)

    async def normalise(self, data: bytes, wanted: TargetImage) -> Picture | Unusable:
        """The picture as it is delivered, or why there is none."""
        content_type, size = type_of(data), sides(data)
        if content_type is None or content_type not in CONTENT_TYPES.values() or size is None:
            return Unusable("what came is no picture")
        if len(data) > BYTES_MAX or size[0] * size[1] > PIXELS_MAX:
            return Unusable(f"the picture is too large: {size[0]} x {size[1]} pixels in {len(data)} bytes")
        made = Picture(data, content_type, *size)
        if (wrong := flaw(made)) is not None:
            return Unusable(wrong)
        is_fit = size == (wanted.width, wanted.height) and content_type == CONTENT_TYPES[wanted.image_format]
        if is_fit and wanted.compression is None:
            return made
        return await self._fit(data, wanted)

    async def _fit(self, data: bytes, wanted: TargetImage) -> Picture | Unusable:
        failed: Exception | None = None
        for _ in range(TRIES):
            try:
                made = await self._images.fit(
                    data,
                    width=wanted.width,
                    height=wanted.height,
                    image_format=wanted.image_format,
                    transparent=wanted.transparent,
                    compression=wanted.compression,
                )
            except (ImageWorkerDied, ImageQueueFull) as error:
                # Once more: it is paid for, and may have been the neighbour's memory that the kernel wanted back.
                failed = error
                continue
            if isinstance(made, ImageRefused):
                return Unusable(made.message)
            signed = data if MANIFEST in data else None
            return Picture(made.data, made.content_type, made.width, made.height, made.sha256, signed)
        return Unusable(f"the picture could not be fitted: {failed}")
