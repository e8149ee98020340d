"""What is uploaded: bytes with a name and a type."""

import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from atelier_client import models


@dataclass(frozen=True, slots=True)
class File:
    """An upload as it is announced, and its bytes."""

    request: models.SizedUploadRequest
    content: bytes


def read(source: str | Path | bytes, filename: str | None, content_type: str | None) -> File:
    """The file at a path, or these bytes. Raises OSError, ValueError where its type is unknown."""
    content = source if isinstance(source, bytes) else Path(source).read_bytes()
    name = filename or ("upload" if isinstance(source, bytes) else Path(source).name)
    type_ = content_type or mimetypes.guess_type(name)[0]
    if type_ is None:
        raise ValueError(f"{name}: its name does not show its type; pass content_type, as image/png")
    request = {"filename": name, "content_type": type_, "size_bytes": len(content)}
    return File(cast(models.SizedUploadRequest, request), content)  # the service says which types it takes
