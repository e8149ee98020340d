"""The child process that decodes and composes untrusted pictures: limited, isolated, and ended with its parent.

Run as ``python -m atelier_imaging.process_main PARENT_PID MEMORY_BYTES``; jobs arrive on stdin, results go to stdout.
"""

import os
import sys
from dataclasses import replace
from typing import BinaryIO

from atelier_imaging.pictures import EncodedPicture, ImageRefused, PhotoInfo, no_subject_refusal
from atelier_imaging.sandbox import confine
from atelier_imaging.wire import HEAD_LENGTH, ImageJob, JobResult, blob_lengths, head_length, pack_result, unpack_job

LARGE_PHOTOS_MAX = 5


def main() -> None:
    confine(*map(int, sys.argv[1:3]))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # output of a library must not get into the answers
    _serve(sys.stdin.buffer, answers)


def _serve(jobs: BinaryIO, answers: BinaryIO) -> None:
    while prefix := jobs.read(HEAD_LENGTH.size):
        head = jobs.read(head_length(prefix))
        job = unpack_job(head, [jobs.read(length) for length in blob_lengths(head)])
        answers.writelines(pack_result(_run_job(job)))
        answers.flush()


def _run_job(job: ImageJob) -> JobResult:
    # Libraries are loaded after the memory limit, which must hold for them too, and no sooner than a job needs them.
    if job.kind == "analyse":
        from atelier_imaging.analysis import analyse

        return analyse(job.pictures[0])
    if job.kind == "inspect":
        from atelier_imaging.inspection import inspect

        return inspect(job.pictures[0])
    if job.kind == "probe":
        return _run_probe(job)
    if job.kind == "sanitise":
        return _run_sanitise(job)
    return _run_fit(job) if job.kind == "fit" else _run_compose(job)


def _run_probe(job: ImageJob) -> PhotoInfo | ImageRefused:
    from atelier_imaging.decoder import normalise

    photo = normalise(job.pictures[0])
    if isinstance(photo, ImageRefused) or "mask" not in job.roles:
        return photo if isinstance(photo, ImageRefused) else photo.info
    from atelier_imaging.mask import marks_something

    return replace(photo.info, marks=marks_something(photo))


def _run_sanitise(job: ImageJob) -> EncodedPicture | ImageRefused:
    from atelier_imaging.sanitiser import sanitise, sanitise_mask

    if job.spec is None:
        return sanitise(job.pictures[0])
    return sanitise_mask(job.pictures[0], width=job.spec.width, height=job.spec.height)


def _run_fit(job: ImageJob) -> EncodedPicture | ImageRefused:
    from atelier_imaging.fit import fit_image

    assert job.spec is not None, "a fit job needs a spec"
    return fit_image(job.spec, job.pictures[0])


def _run_compose(job: ImageJob) -> EncodedPicture | ImageRefused:
    import cv2

    from atelier_imaging.composition import NoSubject, compose_by_model
    from atelier_imaging.decoder import normalise
    from atelier_imaging.encoder import LONG_SIDE_MAX, encode

    cv2.setNumThreads(1)  # sums in another order would be other bytes
    assert job.spec is not None, "a compose job needs a spec"
    spec = job.spec
    role_photos = []
    for index, (role, data) in enumerate(zip(job.roles, job.pictures, strict=True)):
        # Reduced one by one, and those that show small things more: many photographs as large as the largest picture
        # would not fit into the memory allowed.
        small = role == "image" and index >= LARGE_PHOTOS_MAX
        side_max_px = LONG_SIDE_MAX if small else max(LONG_SIDE_MAX, spec.width, spec.height)
        photo = normalise(data, side_max_px=side_max_px)
        if isinstance(photo, ImageRefused):
            return replace(photo, message=f"{_name(job.roles, index)}: {photo.message}")
        role_photos.append((role, photo))
    try:
        picture, model = compose_by_model(spec, role_photos)
    except NoSubject:
        return no_subject_refusal()
    long_side_max = max(LONG_SIDE_MAX, spec.width, spec.height)
    encoded = encode(picture, spec.image_format, long_side_max=long_side_max, compression=spec.compression)
    return replace(encoded, model=model)


def _name(roles: list[str], index: int) -> str:
    """How a client knows a picture: by its role, numbered within it unless it is a person or a mask."""
    role = roles[index]
    single = role in ("person", "mask")
    return f"{role.capitalize()} photo" if single else f"{role.capitalize()} photo {roles[: index + 1].count(role)}"


if __name__ == "__main__":
    main()
