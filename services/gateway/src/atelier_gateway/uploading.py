"""Where a client may put a picture or a text before it asks for something to be made of it. Same rules everywhere."""

import logging
from uuid import UUID

from pydantic import Field
from uuid_utils.compat import uuid7

from atelier_contracts import Owner
from atelier_gateway.bodies import Body, FileName
from atelier_gateway.inputs import INPUT_BYTES_MAX
from atelier_gateway.media_types import UploadType
from atelier_gateway.problems import Problem
from atelier_storage.errors import StorageUnavailable, UploadIdentityUnfit
from atelier_storage.keys import upload_key
from atelier_storage.objects import PRESIGN_S_MAX, ObjectStore
from atelier_storage.upload_identity import UploadIdentity

logger = logging.getLogger(__name__)


class Upload(Body):
    """``POST …/uploads`` (REQUIREMENTS 000.8). With ``size_bytes`` the URL takes exactly that many."""

    filename: FileName
    content_type: UploadType
    size_bytes: int | None = Field(default=None, ge=1, le=INPUT_BYTES_MAX)


async def prove_at_start(identity: UploadIdentity) -> None:
    """Raises UploadIdentityUnfit: the process must not start. A store that is away is tried again with each offer."""
    try:
        await identity.prove()
    except StorageUnavailable as error:
        logger.warning("the identity that signs uploads is not checked yet, none is offered until it is: %s", error)


async def prove(identity: UploadIdentity) -> None:
    """Raises Problem 503 unless the identity is known to be fit."""
    try:
        await identity.prove()
    except StorageUnavailable:
        raise Problem("unavailable", "The object store does not answer; try again later.") from None
    except UploadIdentityUnfit as error:
        logger.error("uploads are refused: %s", error)
        raise Problem("unavailable", "Uploads cannot be taken at the moment.") from None


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
