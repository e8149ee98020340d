"""Makes of every picture that a client gave the one file that providers see: upright, in sRGB, without metadata.

Providers here and elsewhere get the same bytes, so that all of them work on what was checked and what `files` reports.
"""

import asyncio
import logging
from collections.abc import Sequence

from atelier_imaging.pictures import EncodedPicture, ImageRefused
from atelier_imaging.pool import ImageQueueFull, ImageWorkerDied, ImageWorkers
from atelier_render.execution.inputs import InputRefused
from atelier_render.providers.protocol import Input

TRIES = 2
"""A child may die of a neighbour's memory; one that dies twice dies of this picture."""
BUSY_PAUSE_S = 0.5
logger = logging.getLogger(__name__)

Sides = tuple[int, int]
"""Width and height in pixels."""


class InputNormaliser:
    """Runs in the image workers; use it under a timeout."""

    def __init__(self, images: ImageWorkers) -> None:
        self._images = images

    async def make(self, inputs: Sequence[Input]) -> tuple[Input, ...] | InputRefused:
        """The inputs in order, pictures as stills, texts as they are; or why the first bad one is refused.

        A mask gets the sides of the first picture of role ``image``, and is refused where it marks nothing.
        """
        made: dict[int, Input] = {}
        sides: Sides | None = None
        # Masks last: they are made to fit a picture.
        for place, given in sorted(enumerate(inputs, 1), key=lambda one: one[1].role == "mask"):
            if given.role == "text":
                made[place] = given
                continue
            still = await self._still(given, sides if given.role == "mask" else None)
            if isinstance(still, ImageRefused):
                return InputRefused(f"input {place} ({given.role}): {still.message}")
            made[place] = Input(given.role, still.data)
            if given.role == "image":
                sides = sides or (still.width, still.height)
        return tuple(made[place] for place in sorted(made))

    async def _still(self, given: Input, mask_of: Sides | None) -> EncodedPicture | ImageRefused:
        tries = 0
        while tries < TRIES:
            try:
                return await self._images.sanitise(given.data, mask_of=mask_of)
            except ImageQueueFull:
                await asyncio.sleep(BUSY_PAUSE_S)
            except ImageWorkerDied as error:
                logger.warning(
                    "decoding an input of %d bytes failed, trying %d times in all: %s", len(given.data), TRIES, error
                )
                tries += 1
        return ImageRefused("broken", "The picture cannot be decoded within the memory and time allowed.")
