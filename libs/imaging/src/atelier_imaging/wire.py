"""The protocol between a service and its image processes: a JSON head with sizes, then the pictures' bytes.

Not pickle: a child has decoded hostile bytes, and nothing it sends may run code in the parent.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Literal

from atelier_imaging.pictures import Analysis, CompositionSpec, EncodedPicture, ImageRefused, Inspection, PhotoInfo

HEAD_LENGTH = struct.Struct(">I")
HEAD_BYTES_MAX = 64 * 1024
BLOBS_BYTES_MAX = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ImageJob:
    """Probe, analyse and inspect: one picture. Sanitise: one picture; for a mask a spec with the sides of its picture.
    Fit: one picture and a spec with sides and format. Compose: a spec and its pictures, each with its role; for a
    try-on the person first."""

    kind: Literal["probe", "analyse", "inspect", "sanitise", "fit", "compose"]
    pictures: list[bytes]
    roles: list[str] = field(default_factory=list)
    spec: CompositionSpec | None = None


JobResult = PhotoInfo | Analysis | Inspection | EncodedPicture | ImageRefused


class ProtocolError(Exception):
    """The peer broke the format: it is a different version, or compromised."""


def pack_job(job: ImageJob) -> list[bytes]:
    spec = None if job.spec is None else asdict(job.spec)
    return _frame({"kind": job.kind, "roles": job.roles, "order": spec}, job.pictures)


def pack_result(answer: JobResult) -> list[bytes]:
    if isinstance(answer, EncodedPicture):
        fields = {key: value for key, value in asdict(answer).items() if key != "data"}
        return _frame({"EncodedPicture": fields}, [answer.data])
    if isinstance(answer, Analysis):
        fields = {key: value for key, value in asdict(answer).items() if key != "thumbnail"}
        return _frame({"Analysis": fields}, [answer.thumbnail])
    return _frame({type(answer).__name__: asdict(answer)}, [])


def unpack_job(head: bytes, blobs: list[bytes]) -> ImageJob:
    fields = json.loads(head)
    spec = None if fields["order"] is None else CompositionSpec(**fields["order"])
    return ImageJob(fields["kind"], blobs, fields["roles"], spec)


def unpack_result(head: bytes, blobs: list[bytes]) -> JobResult:
    """Raises ProtocolError."""
    try:
        match json.loads(head):
            case {"EncodedPicture": dict(fields)}:
                return EncodedPicture(data=blobs[0], **fields)
            case {"Analysis": dict(fields)}:
                return Analysis(**(fields | {"thumbnail": blobs[0], "colours": tuple(fields["colours"])}))
            case {"PhotoInfo": dict(fields)}:
                return PhotoInfo(**fields)
            case {"Inspection": dict(fields)}:
                return Inspection(**fields)
            case {"ImageRefused": dict(fields)}:
                return ImageRefused(**fields)
    except (ValueError, TypeError, IndexError, KeyError) as error:
        raise ProtocolError("an answer is malformed") from error
    raise ProtocolError("an answer of no known kind")


def head_length(prefix: bytes) -> int:
    """Raises ProtocolError."""
    (length,) = HEAD_LENGTH.unpack(prefix)
    if length > HEAD_BYTES_MAX:
        raise ProtocolError("a head is too long")
    return int(length)


def blob_lengths(head: bytes) -> list[int]:
    """Raises ProtocolError."""
    try:
        lengths = [int(length) for length in json.loads(head)["blobs"]]
    except (ValueError, TypeError, KeyError) as error:
        raise ProtocolError("a head is malformed") from error
    if min(lengths, default=0) < 0 or sum(lengths) > BLOBS_BYTES_MAX:
        raise ProtocolError("pictures of impossible size")
    return lengths


def _frame(fields: dict[str, object], blobs: Sequence[bytes]) -> list[bytes]:
    head = json.dumps({**fields, "blobs": [len(blob) for blob in blobs]}).encode()
    return [HEAD_LENGTH.pack(len(head)) + head, *blobs]
