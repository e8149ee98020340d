"""The parent's side of an image process: a pipe that answers jobs in turn, or breaks."""

import asyncio
import os
import sys

from atelier_imaging.child_process import ChildProcess
from atelier_imaging.sandbox import environment
from atelier_imaging.wire import (
    HEAD_LENGTH,
    ImageJob,
    JobResult,
    ProtocolError,
    blob_lengths,
    head_length,
    pack_job,
    unpack_result,
)

_END_GRACE_S = 2.0
_BUFFER_BYTES = 1024 * 1024
_ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "OPENCV_LOG_LEVEL": "ERROR"}


class ImageWorkerDied(Exception):
    """The child process ended, or was ended, during a job. Transient: the job may be tried again, a few times."""


class ImageProcess:
    """Start one with ``ImageProcess.start``; after any exception from ``run_job`` it can only be ended."""

    def __init__(self, process: ChildProcess) -> None:
        self._process = process

    @classmethod
    async def start(cls, memory_bytes: int) -> "ImageProcess":
        process = await ChildProcess.start(
            *(sys.executable, "-m", "atelier_imaging.process_main", str(os.getpid()), str(memory_bytes)),
            env=environment() | _ONE_THREAD,
            buffer_bytes=_BUFFER_BYTES,
        )
        return cls(process)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.returncode is None

    async def run_job(self, job: ImageJob) -> JobResult:
        """Raises ImageWorkerDied."""
        try:
            await self._send(job)
            return await self._receive()
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ImageWorkerDied(f"The image worker {self.pid} died during a job.") from error
        except ProtocolError as error:
            raise ImageWorkerDied(f"The image worker {self.pid} sent {error}.") from error

    async def end(self, *, at_once: bool) -> None:
        """Wait until the process is gone; a resting child ends by itself when its stdin closes."""
        if at_once:
            self._process.kill()
        await self._process.end(grace_s=_END_GRACE_S)

    async def _send(self, job: ImageJob) -> None:
        self._process.stdin.writelines(pack_job(job))
        await self._process.stdin.drain()

    async def _receive(self) -> JobResult:
        read = self._process.stdout.readexactly
        head = await read(head_length(await read(HEAD_LENGTH.size)))
        return unpack_result(head, [await read(length) for length in blob_lengths(head)])
