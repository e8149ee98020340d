"""The pool of image children under the faults it exists for."""

import asyncio
import gc
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from atelier_imaging import (
    EncodedPicture,
    ImageQueueFull,
    ImageRefused,
    ImageWorkerDied,
    ImageWorkers,
    PhotoInfo,
)

from .conftest import encode_image

Shirt = Callable[..., bytes]
RED = (180, 30, 40)
PATIENCE_S = 60.0


@asynccontextmanager
async def pool(**options: float) -> AsyncIterator[ImageWorkers]:
    workers = ImageWorkers(**options)  # type: ignore[arg-type]
    try:
        yield workers
    finally:
        await workers.close()


async def until(condition: Callable[[], object]) -> None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():  # noqa: ASYNC110 - processes set no events
                await asyncio.sleep(0.01)
    except TimeoutError:
        line = condition.__code__.co_firstlineno
        raise TimeoutError(f"what line {line} waits for did not hold within {PATIENCE_S:g} s") from None


def find_running(pids: Iterable[int]) -> list[int]:
    """Those that are processes still; a zombie is not, it only waits for its status to be read."""
    is_alive = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except OSError:
            continue
        if state != "Z":
            is_alive.append(pid)
    return is_alive


async def test_two_children_make_the_same_bytes(person: bytes, shirt: Shirt) -> None:
    async with pool(workers=2) as workers:
        first, second = await asyncio.gather(
            *(workers.try_on(person, [shirt(RED, "JPEG")], seed=5, image_format="webp") for _ in range(2))
        )

        assert len(workers.pids) == 2
        assert isinstance(first, EncodedPicture)
        assert first == second
        assert first.content_type == "image/webp"
        assert max(first.width, first.height) <= 1536


async def test_a_probe_tells_the_size_without_a_picture() -> None:
    async with pool() as workers:
        info = await workers.probe(encode_image(Image.new("RGBA", (30, 20)), "WEBP"))

        assert info == PhotoInfo("webp", 30, 20, has_alpha=True)


async def test_a_refused_picture_is_a_value_that_names_it(person: bytes, shirt: Shirt) -> None:
    async with pool() as workers:
        refused = await workers.try_on(person, [shirt(RED), b"GIF88a"], seed=1, image_format="png")

        assert isinstance(refused, ImageRefused)
        assert refused.code == "unsupported_format"
        assert refused.message.startswith("Garment photo 2: ")
        assert await workers.probe(b"") == ImageRefused(
            "unsupported_format", "The file is not a PNG, JPEG, WebP, HEIC, AVIF or GIF image."
        )


@pytest.mark.parametrize(("garments", "code"), [(0, "no_garment"), (11, "too_many_garments")])
async def test_a_try_on_takes_one_to_ten_garments(garments: int, code: str, person: bytes) -> None:
    async with pool() as workers:
        refused = await workers.try_on(person, [person] * garments, seed=1, image_format="png")

        assert isinstance(refused, ImageRefused)
        assert refused.code == code
        assert not workers.pids


async def test_a_killed_child_is_reported_and_the_pool_goes_on(person: bytes, shirt: Shirt) -> None:
    async with pool(workers=1) as workers:
        job = asyncio.create_task(workers.try_on(person, [shirt(RED)], seed=1, image_format="png"))
        await until(lambda: workers.pids)
        (pid,) = workers.pids
        os.kill(pid, signal.SIGKILL)

        with pytest.raises(ImageWorkerDied):
            await job
        again = await workers.try_on(person, [shirt(RED)], seed=1, image_format="png")

        assert isinstance(again, EncodedPicture)
        assert pid not in workers.pids


async def test_one_child_s_death_does_not_disturb_the_other(person: bytes, shirt: Shirt) -> None:
    async with pool(workers=2) as workers:
        await workers.probe(person)
        (first,) = workers.pids
        jobs = [
            asyncio.create_task(workers.try_on(person, [shirt(RED)], seed=seed, image_format="png"))
            for seed in range(2)
        ]
        await until(lambda: len(workers.pids) == 2)
        (second,) = workers.pids - {first}
        os.kill(second, signal.SIGKILL)

        results = await asyncio.gather(*jobs, return_exceptions=True)

        assert sorted(type(result).__name__ for result in results) == ["EncodedPicture", "ImageWorkerDied"]


async def test_a_child_that_dies_while_its_job_is_written_leaves_no_unread_error(person: bytes) -> None:
    complaints: list[dict[str, Any]] = []
    gc.collect()  # what other tests have left unread
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

    async def lose_a_job() -> None:
        async with pool(workers=1) as workers:
            await workers.probe(person)
            (pid,) = workers.pids
            os.kill(pid, signal.SIGSTOP)
            job = asyncio.create_task(workers.probe(person + bytes(8_000_000)))  # more than the pipe holds
            await asyncio.sleep(0.1)
            os.kill(pid, signal.SIGKILL)
            with pytest.raises(ImageWorkerDied):
                await job

    await lose_a_job()
    gc.collect()
    assert complaints == []


async def test_a_job_that_takes_too_long_is_stopped_even_if_its_child_hangs(person: bytes) -> None:
    async with pool(workers=1, job_timeout_s=3.0) as workers:
        await workers.probe(person)
        (pid,) = workers.pids
        os.kill(pid, signal.SIGSTOP)

        with pytest.raises(ImageWorkerDied, match="after 3 seconds"):
            await workers.probe(person)

        await until(lambda: not find_running([pid]))
        workers._job_timeout_s = 60.0  # its successor may start on a busy machine
        assert isinstance(await workers.probe(person), PhotoInfo)


async def test_a_cancelled_caller_leaves_no_half_read_answer_behind(person: bytes, shirt: Shirt) -> None:
    async with pool(workers=1) as workers:
        job = asyncio.create_task(workers.try_on(person, [shirt(RED)], seed=1, image_format="png"))
        await until(lambda: workers.pids)
        job.cancel()
        with pytest.raises(asyncio.CancelledError):
            await job

        assert isinstance(await workers.probe(person), PhotoInfo)


async def test_memory_past_the_limit_ends_the_child_and_not_the_service() -> None:
    huge = encode_image(Image.new("RGB", (7000, 7000)), compress_level=1)
    small = encode_image(Image.new("RGB", (70, 70)))
    async with pool(memory_bytes=400 * 1024**2) as workers:
        assert await workers.probe(small) == PhotoInfo("png", 70, 70, has_alpha=False)
        with pytest.raises(ImageWorkerDied):
            await workers.probe(huge)

    async with pool() as workers:
        assert await workers.probe(huge) == PhotoInfo("png", 7000, 7000, has_alpha=False)


async def test_children_leave_when_there_is_nothing_to_do_and_come_back(person: bytes) -> None:
    async with pool(idle_exit_s=0.2) as workers:
        assert not workers.pids
        await workers.probe(person)
        pids = workers.pids
        assert len(pids) == 1

        await until(lambda: not find_running(pids))

        assert isinstance(await workers.probe(person), PhotoInfo)
        assert not workers.pids & pids


async def test_the_queue_is_bounded(person: bytes) -> None:
    async with pool(workers=1, waiting_max=1) as workers:
        results = await asyncio.gather(*(workers.probe(person) for _ in range(4)), return_exceptions=True)

        # One has the child, one waits for it.
        assert [type(result) for result in results].count(PhotoInfo) == 2
        assert [type(result) for result in results].count(ImageQueueFull) == 2


async def test_closing_ends_running_jobs_and_leaves_no_process(person: bytes, shirt: Shirt) -> None:
    async with pool(workers=2) as workers:
        await workers.probe(person)
        jobs = [asyncio.create_task(workers.try_on(person, [shirt(RED)], seed=1, image_format="png")) for _ in range(3)]
        await until(lambda: len(workers.pids) == 2)
        pids = workers.pids

        await workers.close()

        assert not find_running(pids)
        results = await asyncio.gather(*jobs, return_exceptions=True)
        assert [type(result) for result in results] == [ImageWorkerDied] * 3


def test_children_die_with_a_parent_that_is_killed(tmp_path: Path, person: bytes) -> None:
    (tmp_path / "person.png").write_bytes(person)
    program = textwrap.dedent("""
        import asyncio, pathlib, sys
        from atelier_imaging import ImageWorkers
        async def main():
            workers = ImageWorkers()
            await workers.probe(pathlib.Path(sys.argv[1]).read_bytes())
            print(*workers.pids, flush=True)
            await asyncio.sleep(60)
        asyncio.run(main())
    """)
    command = [sys.executable, "-c", program, str(tmp_path / "person.png")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert find_running(pids) == pids != []

        parent.kill()

    deadline = time.monotonic() + PATIENCE_S
    while find_running(pids) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not find_running(pids)


def test_the_service_itself_loads_no_image_library() -> None:
    program = "import atelier_imaging, sys; print({'cv2', 'numpy', 'PIL'} & set(sys.modules))"

    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == "set()"


async def test_a_child_is_told_no_secrets(person: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATELIER_S3_SECRET_KEY", "not for the child")
    async with pool() as workers:
        await workers.probe(person)
        (pid,) = workers.pids

        environment = await asyncio.to_thread(Path(f"/proc/{pid}/environ").read_bytes)

        assert b"PATH=" in environment
        assert b"ATELIER" not in environment
