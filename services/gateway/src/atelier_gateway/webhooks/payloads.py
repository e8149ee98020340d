"""What is sent: ``{"type", "timestamp", "data"}``, ``data`` being the generation as the native surface showed it then.

URLs of pictures are good for minutes, a delivery may take days: a payload is kept with a mark where a URL belongs, and
the URL is signed when it is sent.
"""

import json
from datetime import datetime
from typing import Any

from atelier_contracts import Owner
from atelier_storage.keys import belongs_to
from atelier_storage.objects import PRESIGN_S_MAX, ObjectStore

_MARK = "atelier-object:"


class DeferredSigner:
    """Stands where URLs are signed, and leaves marks."""

    def presign_get(self, key: str, expires_s: int) -> str:  # noqa: ARG002 - as ObjectStore has it
        """The mark of an object."""
        return _MARK + key


def build_payload(type_: str, at: datetime, data: dict[str, Any]) -> dict[str, Any]:
    """As it is kept."""
    return {"type": type_, "timestamp": at.isoformat(), "data": data}


def render_body(payload: dict[str, Any], owner: Owner, objects: ObjectStore) -> str:
    """As it is sent: marks of the owner's own objects are signed URLs. To a test account it says so."""

    def signed(node: Any) -> Any:
        if isinstance(node, dict):
            return {name: signed(value) for name, value in node.items()}
        if isinstance(node, list):
            return [signed(value) for value in node]
        if not isinstance(node, str) or not node.startswith(_MARK):
            return node
        key = node.removeprefix(_MARK)
        # Whatever text a client could make look like a mark, it leads to nobody else's objects.
        return objects.presign_get(key, PRESIGN_S_MAX) if belongs_to(key, owner.kind, owner.id) else node

    told = signed(payload) | ({"test": True} if owner.is_test else {})
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False)
