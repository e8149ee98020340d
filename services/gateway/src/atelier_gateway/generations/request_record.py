"""What a receipt says of a request: a salted hash. The salt stays with the request, so that whoever holds the receipt
alone cannot guess a prompt, and a deleted request can no longer be confirmed by anyone."""

import secrets
from collections.abc import Mapping
from typing import Any

from atelier_contracts import RequestRecord
from atelier_contracts.canonical_json import canonical_sha256
from atelier_gateway.projection.store import NewGeneration

SALT = "receipt_salt"
SALT_BYTES = 16


def new_salt() -> str:
    """128 random bits in hex, for one request."""
    return secrets.token_hex(SALT_BYTES)


def request_document(generation: NewGeneration) -> dict[str, Any] | None:
    """The JSON value that the receipt has the hash of; None for a request from before there were receipts."""
    salt = generation.request.get(SALT)
    if salt is None:
        return None
    return {
        "salt": salt,
        "surface": generation.surface,
        "kind": generation.kind,
        "spec": generation.request.get("spec", {}),
    }


def without_signatures(request: Mapping[str, Any]) -> dict[str, Any]:
    """The request as it may be shown: what is signed in the client's name stays out of its URLs."""
    urls = request.get("deliver_to")
    return {**request, **({"deliver_to": [url.partition("?")[0] for url in urls]} if urls else {})}


def record_of(generation: NewGeneration) -> RequestRecord | None:
    """The request as it stands in its receipt."""
    document = request_document(generation)
    if document is None:
        return None
    return RequestRecord(
        surface=generation.surface, sha256=canonical_sha256(document), requested_at=generation.created_at
    )
