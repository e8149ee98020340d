"""The descriptions of path parameters in the OpenAPI document: each is the id of what its path names. Pure."""

from collections.abc import Mapping
from typing import Any

from atelier_gateway.surfaces.openapi_examples import ID

NOUNS: Mapping[str, str] = {
    "generations": "generation",
    "generation": "try-on session",
    "generate": "generation",
    "images": "image generation",
    "stories": "story",
    "story-generations": "narration",
    "generation-batches": "batch",
    "batches": "batch",
    "files": "file",
    "uploads": "upload",
    "client-tokens": "client token",
    "deliveries": "delivery",
    "webhooks": "webhook",
    "stores": "store",
    "keys": "key",
    "users": "user",
    "workspaces": "workspace",
    "members": "member",
    "proofs": "proof",
    "operators": "operator",
    "status": "job",
}
"""By the part of the path before the id."""
OTHERS: Mapping[str, dict[str, Any]] = {
    "code": {"description": "The code of the problem, the last part of its `type`.", "example": "insufficient_credits"},
    "model": {"description": "The name of the model, as `GET /v1/models` lists it.", "example": "gpt-image-2.6-flare"},
    "kind": {"description": "The kind of the owner: `store`, `user` or `workspace`.", "example": "store"},
    "month": {"description": "The month, in UTC.", "example": "2026-11"},
    "queue": {"description": "The name of the queue.", "example": "billing.commands"},
    "delivery_id": {"description": "The id of the delivery.", "example": ID},
    "key_id": {"description": "The id of the key, or its prefix.", "example": ID},
}


def describe_parameters(path: str, operation: dict[str, Any]) -> None:
    """Gives each parameter of the path a description and an example."""
    parts = path.split("/")
    for parameter in operation["parameters"]:
        if parameter["in"] == "path" and "description" not in parameter:
            name = parameter["name"]
            before = parts[parts.index(f"{{{name}}}") - 1]
            noun = NOUNS.get(before, "account")
            parameter |= OTHERS.get(name, {"description": f"The id of the {noun}.", "example": ID})
