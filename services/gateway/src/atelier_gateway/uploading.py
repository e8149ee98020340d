"""Where a client may put a picture or a text before it asks for something to be made of it. Same rules everywhere."""

from typing import Literal
from uuid import UUID

from pydantic import Field
from uuid_utils.compat import uuid7

from atelier_contracts import Owner
from atelier_gateway.bodies import Body, Line
from atelier_gateway.inputs import INPUT_BYTES_MAX
from atelier_storage.keys import upload_key
from atelier_storage.objects import PRESIGN_S_MAX, ObjectStore


class Upload(Body):
    """``POST …/uploads`` (REQUIREMENTS 000.8). With ``size_bytes`` the URL takes exactly that many."""

    filename: Line
    content_type: Literal["image/png", "image/jpeg", "image/webp", "text/plain"]
    size_bytes: int | None = Field(default=None, ge=1, le=INPUT_BYTES_MAX)


def offer(objects: ObjectStore, owner: Owner, upload: Upload) -> dict[str, object]:
    """``{key, upload_url, method, headers, url, expires_at}``; both URLs are good for 15 minutes."""
    upload_id: UUID = uuid7()
    key = upload_key(owner.kind, owner.id, upload_id, upload.filename)
    put = objects.presign_put(key, upload.content_type, PRESIGN_S_MAX, upload.size_bytes)
    return {
        "key": key,
        "upload_url": put.url,
        "method": put.method,
        "headers": put.headers,
        "url": objects.presign_get(key, PRESIGN_S_MAX),
        "expires_at": put.expires_at.isoformat(),
    }
