"""Analyses outputs by their bytes: a provider's word about type and size is not trusted.

Pictures are decoded in the image workers, never here. A failed analysis never loses a sound output.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from atelier_imaging import Analysis, ImageQueueFull, ImageRefused, ImageWorkerDied
from atelier_render.providers.protocol import Picture
from atelier_render.providers.toolkit.file_checks import flaw, type_of

ANALYSIS_S_MAX = 20.0
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Output:
    """One output that may be stored; the thumbnail is a WebP. Audio has neither sides nor colours."""

    data: bytes = field(repr=False)
    content_type: str
    width: int | None = None
    height: int | None = None
    thumbnail: bytes | None = field(default=None, repr=False)
    colours: tuple[str, ...] = ()
    as_made: bytes | None = field(default=None, repr=False)
    """What the provider delivered under a manifest of its own, where ``data`` is that encoded again."""


class OutputAnalyser:
    """Judges what providers deliver; ``analyse`` is the image workers'."""

    def __init__(self, analyse: Callable[[bytes], Awaitable[Analysis | ImageRefused]]) -> None:
        self._look_at = analyse

    async def analyse(
        self, pictures: Sequence[Picture], *, remaining_s: float
    ) -> tuple[tuple[Output, ...], str | None]:
        """The sound ones, relabelled as what they are, and what is wrong with the first of the others. Takes at most
        half of the time that is left: the other half is for storing them."""
        within_s = min(ANALYSIS_S_MAX, remaining_s / 2)
        judged = await asyncio.gather(*(self._analyse(picture, within_s) for picture in pictures))
        flaws = (result for result in judged if isinstance(result, str))
        return tuple(result for result in judged if isinstance(result, Output)), next(flaws, None)

    async def _analyse(self, picture: Picture, within_s: float) -> Output | str:
        content_type, wrong = type_of(picture.data), flaw(picture)
        if wrong is not None or content_type is None:
            return wrong or "it is of no type that is stored"
        if content_type.startswith("audio/"):
            return Output(picture.data, content_type)
        found = await self._look(picture.data, within_s)
        if isinstance(found, Analysis):
            sides = found.width, found.height
            return Output(picture.data, found.content_type, *sides, found.thumbnail, found.colours, picture.as_made)
        if found is not None and found.code == "broken":
            return found.message
        return Output(picture.data, content_type, picture.width, picture.height, as_made=picture.as_made)

    async def _look(self, data: bytes, within_s: float) -> Analysis | ImageRefused | None:
        try:
            async with asyncio.timeout(within_s):
                return await self._look_at(data)
        except (ImageWorkerDied, ImageQueueFull, TimeoutError) as error:
            logger.warning("analysis of an output of %d bytes failed, storing it without: %r", len(data), error)
            return None
