"""Text to speech in a bounded number of processes, one a text, within bounds of time and memory."""

import asyncio
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from atelier_contracts.value_objects import AudioFormat
from atelier_imaging.child_process import ChildProcess
from atelier_imaging.sandbox import environment
from atelier_render.speech.child import FRAME
from atelier_render.speech.manner import Manner

AUDIO_BYTES_MAX = 256 * 1024 * 1024
MEMORY_BYTES = 1024**3
READING_S_MAX = 240.0
END_GRACE_S = 2.0
_BUFFER_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Audio:
    """A finished file."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class NotRead:
    """Why the voice would not read it."""

    reason: str


class ReaderDied(Exception):
    """The process ended, or was ended, before it had finished."""


class SpeechProcessPool:
    """Starts a process for each text."""

    def __init__(self, *, readers: int, reading_s_max: float = READING_S_MAX, memory_bytes: int = MEMORY_BYTES) -> None:
        self._slots = asyncio.Semaphore(readers)
        self._reading_s_max = reading_s_max
        self._memory_bytes = memory_bytes

    async def read(
        self, text: str, manner: Manner, *, audio_format: AudioFormat, tell: Callable[[int], None]
    ) -> Audio | NotRead:
        """The text as audio; the callback takes percentages. Raises ReaderDied. Cancelling ends the process."""
        async with self._slots:
            process = await ChildProcess.start(
                *(sys.executable, "-m", "atelier_render.speech.child", str(os.getpid()), str(self._memory_bytes)),
                *(manner.to_json(), audio_format),
                env=environment(),
                buffer_bytes=_BUFFER_BYTES,
            )
            try:
                async with asyncio.timeout(self._reading_s_max):
                    return await _listen(process, text, tell)
            except TimeoutError as error:
                raise ReaderDied(f"a reader was stopped after {self._reading_s_max:g} s") from error
            except (asyncio.IncompleteReadError, ConnectionError) as error:
                raise ReaderDied("a reader ended in the middle of a text") from error
            finally:
                process.kill()
                await process.end(grace_s=END_GRACE_S)


async def _listen(process: ChildProcess, text: str, tell: Callable[[int], None]) -> Audio | NotRead:
    process.stdin.write(text.encode())
    await process.stdin.drain()
    process.end_input()
    while True:
        letter, length = FRAME.unpack(await process.stdout.readexactly(FRAME.size))
        if length > AUDIO_BYTES_MAX:
            raise ReaderDied("a reader announced a file of impossible size")
        body = await process.stdout.readexactly(length)
        match letter:
            case b"P" if body.isdigit():
                tell(int(body))
            case b"A":
                return Audio(body)
            case b"R":
                return NotRead(body.decode(errors="replace"))
            case _:
                raise ReaderDied("a reader does not keep to the format")
