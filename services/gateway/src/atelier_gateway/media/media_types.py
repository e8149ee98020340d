"""Media types as clients write them: in any case, with parameters, under names that other systems use."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

ALIASES: Mapping[str, str] = {
    "image/jpg": "image/jpeg",
    "image/pjpeg": "image/jpeg",
    "image/x-png": "image/png",
    "image/heic-sequence": "image/heic",
    "image/heif-sequence": "image/heif",
}
"""Names that were never registered, or that old browsers say."""


def essence(media_type: str) -> str:
    """``type/subtype`` in lower case, under its registered name, without parameters."""
    plain = media_type.partition(";")[0].strip().lower()
    return ALIASES.get(plain, plain)


def _essence_of_text(value: Any) -> Any:
    return essence(value) if isinstance(value, str) else value


UploadType = Annotated[
    Literal[
        "image/png", "image/jpeg", "image/webp", "image/heic", "image/heif", "image/avif", "image/gif", "text/plain"
    ],
    BeforeValidator(_essence_of_text),
]
"""What may be uploaded; the answer's ``headers`` say the type as it has to be sent."""
