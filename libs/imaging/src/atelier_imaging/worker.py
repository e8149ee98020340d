"""The child process in which untrusted pictures are decoded and dressed: limited, alone, and gone with its parent.

Run as `python -m atelier_imaging.worker PARENT_PID MEMORY_BYTES`; jobs come on stdin, answers go to stdout.
"""

import ctypes
import os
import resource
import signal
import sys
from dataclasses import replace
from typing import BinaryIO

from .jobs import HEAD_LENGTH, Answer, Job, blob_lengths, head_length, pack_answer, unpack_job
from .pictures import EncodedPicture, ImageRefused

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent_pid, memory_bytes = map(int, sys.argv[1:3])
    _die_with(parent_pid)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what ends when
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a library that prints must not print into the answers
    _serve(sys.stdin.buffer, answers)


def _die_with(parent_pid: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before the line above took effect
        raise SystemExit(1)


def _serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    import cv2  # after the memory limit, which must hold for the libraries too

    cv2.setNumThreads(1)  # sums in another order would be other bytes
    while prefix := jobs.read(HEAD_LENGTH.size):
        head = jobs.read(head_length(prefix))
        job = unpack_job(head, [jobs.read(length) for length in blob_lengths(head)])
        answers.writelines(pack_answer(_done(job)))
        answers.flush()


def _done(job: Job) -> Answer:
    from .decode import normalise

    if job.kind == "probe":
        photo = normalise(job.pictures[0])
        return photo if isinstance(photo, ImageRefused) else photo.info
    return _dressed(job)


def _dressed(job: Job) -> EncodedPicture | ImageRefused:
    from .decode import normalise
    from .encode import encode
    from .try_on import SIDE_MAX_PX, try_on

    photos = []
    for index, data in enumerate(job.pictures):
        # Reduced one by one: eleven photographs of 50 megapixels together would not fit into the memory allowed.
        photo = normalise(data, side_max_px=SIDE_MAX_PX)
        if isinstance(photo, ImageRefused):
            name = f"Garment photo {index}" if index else "Person photo"
            return replace(photo, message=f"{name}: {photo.message}")
        photos.append(photo)
    return encode(try_on(photos[0], photos[1:], seed=job.seed), job.image_format)


if __name__ == "__main__":
    main()
