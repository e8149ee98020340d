"""The process with the model as render sees it: started with the first batch, kept warm, restarted when it died."""

import asyncio
import logging
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from pydantic_core import to_json

from atelier_imaging.child_process import ChildProcess
from atelier_render.providers.diffusion.settings import DiffusersSettings
from atelier_render.providers.diffusion.wire import (
    HEAD,
    Batch,
    Broken,
    EngineCommand,
    EngineReply,
    Item,
    Make,
    OutOfMemory,
    Ready,
    Recipe,
    Step,
    Stop,
    Stopped,
    frame_command,
    reply_of,
)

ENGINE = "atelier_render.providers.diffusion.engine"
QUIET = {"DIFFUSERS_VERBOSITY": "error", "TRANSFORMERS_VERBOSITY": "error", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
END_GRACE_S = 5.0
ENDED = (asyncio.IncompleteReadError, ConnectionError, ValueError)
logger = logging.getLogger(__name__)


class ModelDied(Exception):
    """The process ended, or could not be started, without an answer: nothing was made."""


class NotLoaded(ModelDied):
    """It cannot be started; trying again at once will not help."""


class EngineProcess:
    """One process; the caller sends batches one after another."""

    def __init__(self, settings: DiffusersSettings) -> None:
        self._settings = settings
        self._process: ChildProcess | None = None
        self._number = 0

    async def make(
        self, recipe: Recipe, items: Sequence[Item], tell: Callable[[float], None]
    ) -> Batch | OutOfMemory | Broken | Stopped:
        """Raises ModelDied, NotLoaded too."""
        self._number += 1
        number = self._number
        try:
            await self._ensure_started()
            await self._send(Make(number, recipe, items))
            while isinstance(said := await self._receive(), Step | Ready):
                if isinstance(said, Step):
                    tell(said.fraction)
        except ENDED as error:
            await self._end()
            raise ModelDied("the process with the model died") from error
        except asyncio.CancelledError:
            await self._end()  # it would answer the next one with this one's pictures
            raise
        return said

    async def stop(self) -> None:
        """Stops the current batch; it ends after its step as Stopped."""
        with suppress(*ENDED):
            await self._send(Stop(self._number))

    async def close(self) -> None:
        """Ends the process."""
        await self._end()

    async def _ensure_started(self) -> None:
        if self._process is not None and self._process.returncode is None:
            return
        await self._end()  # one that died while it waited
        asked = self._settings.model_dump(include={"model", "device", "dtype"})
        # Secrets of ours are no business of a library that talks to the hub.
        environment = QUIET | {name: value for name, value in os.environ.items() if not name.startswith("ATELIER_")}
        self._process = await ChildProcess.start(
            *(sys.executable, "-m", ENGINE, to_json(asked).decode()), env=environment
        )
        try:
            async with asyncio.timeout(self._settings.load_s_max):
                ready = await self._receive()
        except (TimeoutError, *ENDED) as error:
            await self._end()
            raise NotLoaded(f"the model {self._settings.model_name} could not be loaded") from error
        assert isinstance(ready, Ready), "nothing else comes first"
        logger.info("model %s loaded on %s as %s", self._settings.model_name, ready.device, ready.dtype)

    async def _send(self, order: EngineCommand) -> None:
        if self._process is None:
            raise ConnectionError("it is not running")
        self._process.stdin.write(await asyncio.to_thread(frame_command, order))
        await self._process.stdin.drain()

    async def _receive(self) -> EngineReply:
        if self._process is None:
            raise ConnectionError("it is not running")
        (length,) = HEAD.unpack(await self._process.stdout.readexactly(HEAD.size))
        body = await self._process.stdout.readexactly(length)
        return await asyncio.to_thread(reply_of, body)

    async def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            await process.end(grace_s=END_GRACE_S)
