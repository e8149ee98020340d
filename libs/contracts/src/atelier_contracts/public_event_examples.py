"""One example of the data of each public event: the story of a store that made a picture and then deleted it."""

from collections.abc import Mapping
from typing import Any

STORE = {"kind": "store", "id": "01a1fd11-dfa5-77cf-8de6-79b863c68f29"}
GENERATION: Mapping[str, Any] = {
    "owner": STORE,
    "generation_id": "01a1fd11-e2fa-70a8-aabc-614f2963bf51",
    "kind": "image",
    "surface": "native",
    "metadata": {"order": "4711"},
}
GRANT: Mapping[str, Any] = {"owner": STORE, "grant_id": "01a1fd11-e000-7c11-9f60-4f4c8d7a2b10"}
PICTURE = {
    "content_type": "image/png",
    "size": 48_213,
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
    "width": 256,
    "height": 256,
}
NO_FACE = {"outcome": "failed", "code": "no_face", "reason": "no face was found in the photograph"}

DISPUTE: Mapping[str, Any] = {
    **GENERATION,
    **{"dispute_id": "01a1fd12-5b2d-7e3f-9a41-1b2c3d4e5f60", "outputs": [0], "rule": "broken_output", "credits": 3},
}

EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "generation.queued.v1": {**GENERATION, "credits": 3},
    "generation.started.v1": GENERATION,
    "generation.ready.v1": {
        **GENERATION,
        **{"deliver_by": "2026-12-02T09:30:00Z", "outputs": [PICTURE], "provider": "local", "model": None},
        "reused": False,
    },
    "generation.succeeded.v1": {
        **GENERATION,
        **{"captured": 3, "returned": 0, "outputs": [PICTURE], "provider": "local", "model": None, "reused": False},
    },
    "generation.failed.v1": {**GENERATION, **NO_FACE, "returned": 3},
    "generation.cancelled.v1": {**GENERATION, "returned": 3},
    "generation.rejected.v1": {**GENERATION, "reason": "insufficient_credits", "required": 3, "available": 1},
    "generation.deleted.v1": {**GENERATION, "metadata": {}},
    "generation.outputs_expired.v1": GENERATION,
    "dispute.opened.v1": {**DISPUTE, "status": "refunding"},
    "dispute.decided.v1": {**DISPUTE, "status": "refunded"},
    "credits.granted.v1": {
        **GRANT,
        **{"credits": 100, "available": 100, "priority": 0, "expires_at": "2027-01-01T00:00:00Z"},
    },
    "credits.expired.v1": {**GRANT, "credits": 97, "available": 0},
    "credits.corrected.v1": {
        "owner": STORE,
        "correction_id": "01a1fd12-4a1c-7d0e-b3a5-0c9d1e2f3a4b",
        "correction": "return",
        "credits": 3,
        "available": 100,
        "generation_id": GENERATION["generation_id"],
        "grant_id": None,
    },
    "credits.cap_reached.v1": {
        "owner": STORE,
        "cap_id": "5d0a9f3e-6c7f-5b0e-9d5e-2f8d0a4f7c11",
        "percent": 80,
        "spender": {"kind": "key", "id": "01a1fd11-e2fa-70a8-aabc-614f2963bf52"},
        "period": "day",
        "credits": 100,
        "held": 4,
        "captured": 76,
        "since": "2026-11-29T00:00:00Z",
        "renews_at": "2026-11-30T00:00:00Z",
    },
    "credits.held.v1": {**GENERATION, "credits": 3},
    "credits.settled.v1": {**GENERATION, "held": 3, "captured": 3, "returned": 0},
}
