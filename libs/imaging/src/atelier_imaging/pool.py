"""A pool of image children: started when there is work, ended after idling, so an idle service holds no image library.

Each child has its own pipes and shares no lock, so that killing one, which is how a job is stopped, harms no other.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from atelier_imaging.pictures import (
    Analysis,
    CompositionSpec,
    EncodedPicture,
    ImageFormat,
    ImageRefused,
    Inspection,
    PhotoInfo,
    count_refusal,
    size_refusal,
)
from atelier_imaging.process import ImageProcess, ImageWorkerDied
from atelier_imaging.wire import ImageJob, JobResult

__all__ = ["ImageQueueFull", "ImageWorkerDied", "ImageWorkers"]


class ImageQueueFull(Exception):
    """The queue is full. Transient: retry later."""


class ImageWorkers:
    """Runs image jobs in at most ``workers`` child processes; use it from one event loop.

    A child has ``memory_bytes`` of address space, a job ``job_timeout_s`` seconds of wall time including the child's
    start; past that it is killed. At most ``waiting_max`` jobs wait for a child.
    """

    def __init__(
        self,
        *,
        workers: int = 2,
        waiting_max: int = 64,
        job_timeout_s: float = 60.0,
        idle_exit_s: float = 30.0,
        memory_bytes: int = 2 * 1024**3,
    ) -> None:
        self._slots = asyncio.Semaphore(workers)
        self._waiting_max = waiting_max
        self._job_timeout_s = job_timeout_s
        self._idle_exit_s = idle_exit_s
        self._memory_bytes = memory_bytes
        self._waiting = 0
        self._children: set[ImageProcess] = set()
        self._idle: dict[ImageProcess, asyncio.TimerHandle] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._closed = False

    async def try_on(
        self, person: bytes, garments: list[bytes], *, seed: int, image_format: ImageFormat
    ) -> EncodedPicture | ImageRefused:
        """The person of one photograph in the garments of 1 to 10 others; the same arguments give the same bytes.

        Raises ImageWorkerDied and ImageQueueFull.
        """
        if refused := count_refusal(len(garments)):
            return refused
        spec = CompositionSpec("try_on", seed, image_format)
        return await self.compose(spec, [("person", person), *(("garment", garment) for garment in garments)])

    async def compose(
        self, spec: CompositionSpec, photos: Sequence[tuple[str, bytes]]
    ) -> EncodedPicture | ImageRefused:
        """The picture of a spec from photographs, each with its role; the same arguments give the same bytes.

        Raises ImageWorkerDied and ImageQueueFull.
        """
        pictures = [data for _, data in photos]
        if refused := next(filter(None, map(size_refusal, pictures)), None):
            return refused
        answer = await self._run_job(ImageJob("compose", pictures, [role for role, _ in photos], spec))
        assert isinstance(answer, EncodedPicture | ImageRefused)
        return answer

    async def fit(
        self,
        data: bytes,
        *,
        width: int,
        height: int,
        image_format: ImageFormat,
        transparent: bool = False,
        compression: int | None = None,
    ) -> EncodedPicture | ImageRefused:
        """A finished picture in other sides or another format, cut in the middle; zeros leave the sides as they are.
        What is ``transparent`` stays so where it is wanted, else it lies on white.

        Raises ImageWorkerDied and ImageQueueFull.
        """
        if refused := size_refusal(data):
            return refused
        spec = CompositionSpec(
            "image",
            image_format=image_format,
            width=width,
            height=height,
            transparent=transparent,
            compression=compression,
        )
        answer = await self._run_job(ImageJob("fit", [data], spec=spec))
        assert isinstance(answer, EncodedPicture | ImageRefused)
        return answer

    async def sanitise(self, data: bytes, *, mask_of: tuple[int, int] | None = None) -> EncodedPicture | ImageRefused:
        """The one file of a picture that may leave for a provider: upright, in sRGB, without metadata.

        A mask is made to fit its picture's sides, ``mask_of``; one that marks nothing is refused. The same arguments
        give the same bytes. Raises ImageWorkerDied and ImageQueueFull.
        """
        if refused := size_refusal(data):
            return refused
        spec = CompositionSpec("image", width=mask_of[0], height=mask_of[1]) if mask_of else None
        answer = await self._run_job(ImageJob("sanitise", [data], spec=spec))
        assert isinstance(answer, EncodedPicture | ImageRefused)
        return answer

    async def probe(self, data: bytes, *, mask: bool = False) -> PhotoInfo | ImageRefused:
        """Whether a picture would be accepted, and its measures; of a mask also whether it marks anything.

        Raises ImageWorkerDied and ImageQueueFull.
        """
        if refused := size_refusal(data):
            return refused
        answer = await self._run_job(ImageJob("probe", [data], ["mask"] if mask else []))
        assert isinstance(answer, PhotoInfo | ImageRefused)
        return answer

    async def analyse(self, data: bytes) -> Analysis | ImageRefused:
        """What a finished picture is, with its thumbnail and its colours. Raises ImageWorkerDied and ImageQueueFull."""
        if refused := size_refusal(data):
            return refused
        answer = await self._run_job(ImageJob("analyse", [data]))
        assert isinstance(answer, Analysis | ImageRefused)
        return answer

    async def inspect(self, data: bytes) -> Inspection | ImageRefused:
        """Whether a finished picture decodes, its measures, and whether it shows anything. Raises ImageWorkerDied and
        ImageQueueFull."""
        if refused := size_refusal(data):
            return refused
        answer = await self._run_job(ImageJob("inspect", [data]))
        assert isinstance(answer, Inspection | ImageRefused)
        return answer

    @property
    def pids(self) -> frozenset[int]:
        """The process ids of the living children."""
        return frozenset(child.pid for child in self._children if child.is_alive)

    async def close(self) -> None:
        """End every child; jobs under way raise ImageWorkerDied."""
        self._closed = True
        for child in list(self._children):
            self._dismiss(child, at_once=child not in self._idle)
        while self._endings:
            await asyncio.gather(*self._endings)

    async def _run_job(self, job: ImageJob) -> JobResult:
        if self._waiting >= self._waiting_max:
            raise ImageQueueFull(f"{self._waiting} image jobs are waiting already.")
        self._waiting += 1
        try:
            await self._slots.acquire()
        finally:
            self._waiting -= 1
        try:
            return await self._run_within_timeout(job)
        finally:
            self._slots.release()

    async def _run_within_timeout(self, job: ImageJob) -> JobResult:
        child: ImageProcess | None = None
        try:
            async with asyncio.timeout(self._job_timeout_s):
                child = await self._child()
                answer = await child.run_job(job)
        except BaseException as error:
            # Whatever it was, a cancelled caller included, the pipe may be in the middle of a message.
            if child is not None:
                self._dismiss(child, at_once=True)
            if isinstance(error, TimeoutError):
                raise ImageWorkerDied(f"An image job was stopped after {self._job_timeout_s:g} seconds.") from error
            raise
        self._keep_idle(child)
        return answer

    async def _child(self) -> ImageProcess:
        """The child that rested last, so that surplus ones grow idle; a new one if none rests."""
        if self._closed:
            raise ImageWorkerDied("The image workers are closed.")
        while self._idle:
            child, exit_timer = self._idle.popitem()
            exit_timer.cancel()
            if child.is_alive:
                return child
            self._dismiss(child, at_once=True)
        child = await ImageProcess.start(self._memory_bytes)
        self._children.add(child)
        return child

    def _keep_idle(self, child: ImageProcess) -> None:
        loop = asyncio.get_running_loop()
        self._idle[child] = loop.call_later(self._idle_exit_s, lambda: self._dismiss(child, at_once=False))

    def _dismiss(self, child: ImageProcess, *, at_once: bool) -> None:
        if timer := self._idle.pop(child, None):
            timer.cancel()
        if child in self._children:
            self._children.discard(child)
            self._in_background(child.end(at_once=at_once))

    def _in_background(self, ending: Coroutine[Any, Any, None]) -> None:
        # The set keeps the task alive until the process is gone; the loop alone would not.
        task = asyncio.get_running_loop().create_task(ending)
        self._endings.add(task)
        task.add_done_callback(self._endings.discard)
