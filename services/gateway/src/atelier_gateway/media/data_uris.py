"""Pictures written into a request as ``data:`` URIs. Read strictly: what is not plain base64 is refused, undecoded."""

import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass

SEED_TYPES = ("jpeg", "jpg", "png", "webp")
"""What on-model photos may call themselves (seed 004)."""
PICTURE_TYPES = (*SEED_TYPES, "heic", "heif", "avif", "gif")
HEAD_CHARS_MAX = 32


@dataclass(frozen=True, slots=True)
class DataUriRefused:
    """Why it is not taken; the message may be shown."""

    message: str


def read(text: str, *, bytes_max: int, types: Sequence[str] = PICTURE_TYPES) -> bytes | DataUriRefused:
    """The bytes. Their number is known from the length of the text, so that too many are refused undecoded.

    The type in the URI only has to be one of a picture; the bytes decide which one it is.
    """
    head = re.match(rf"data:image/(?:{'|'.join(types)});base64,", text[:HEAD_CHARS_MAX], re.ASCII | re.IGNORECASE)
    if head is None:
        shown = "|".join(type_ for type_ in types if type_ != "jpg")
        return DataUriRefused(f"a data:image/({shown});base64, URI is required")
    encoded = len(text) - head.end()
    if encoded // 4 * 3 - 2 > bytes_max:
        return DataUriRefused(f"the picture has more than {bytes_max} bytes")
    try:
        data = binascii.a2b_base64(text[head.end() :], strict_mode=True)
    except ValueError:
        return DataUriRefused("the picture is not valid base64")
    if not data or encoded != (len(data) + 2) // 3 * 4:
        # Python's strict mode bears padding after the padding.
        return DataUriRefused("the picture is not valid base64")
    return data if len(data) <= bytes_max else DataUriRefused(f"the picture has more than {bytes_max} bytes")
