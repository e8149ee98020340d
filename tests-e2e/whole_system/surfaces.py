"""Every creating route of every surface with a request that it takes: what tests over all surfaces range over."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from atelier_local.demo import photos as demo_photos
from whole_system.world import IMAGES, World

SURFACES = ("b2b", "trpc", "stories", "form", "images", "on-model", "native", "openai")
KEYED = tuple(surface for surface in SURFACES if surface != "trpc")
"""Those that take an Idempotency-Key."""
CLOUD = "https://res.cloudinary.com/demo/image/upload/coat.jpg"
INSTANT = {"X-Atelier-Simulate": "outcome=succeed, picture=none"}


@dataclass(frozen=True)
class CreateRequest:
    """A creating route with a request that it takes."""

    path: str
    body: dict[str, Any]
    headers: Mapping[str, str]


async def build_create_requests(world: World) -> dict[str, CreateRequest]:
    """Every creating route, with credentials and credits for plenty."""
    store = await world.admin.create_store("spoiled")
    user = await world.admin.create_user(f"{uuid4()}@example.com")
    workspace = await world.admin.create_workspace("spoiled", [user])
    for kind, owner in (("store", store.id), ("user", user), ("workspace", workspace)):
        await world.admin.grant(kind, owner, 10_000, reason="test")  # type: ignore[arg-type]
    key = {"X-API-Key": store.api_key, **INSTANT}
    token = {"Authorization": f"Bearer {await world.admin.issue_token(user)}", **INSTANT}
    async with httpx.AsyncClient(base_url=world.url, headers=token) as client:
        story_request = {"title": "A fox", "text": "A fox went out.", "language": "en"}
        story = (await client.post("/api/stories", json=story_request)).raise_for_status().json()["id"]
    photo = "data:image/png;base64," + base64.b64encode(demo_photos.person_photo()).decode()
    picture = {"prompt": "a tree", "size": "256x256"}
    form = {"style": "realistic", "aspectRatio": "1:1", "quality": "standard", "model": "gpt-4.1-dalle-3"}
    on_model = {"photos": [{"id": "0", "image": photo}], "modelId": "123", "backgroundId": "456"}
    return {
        "b2b": CreateRequest("/api/v1/generation/create", {"image_urls": IMAGES}, key),
        "trpc": CreateRequest("/api/trpc/tryOn.create", {"imageUrls": IMAGES}, token),
        "stories": CreateRequest("/api/story-generations", {"story_id": story}, token),
        "form": CreateRequest("/api/generate", {"productImages": [CLOUD], **form}, token),
        "images": CreateRequest(
            "/api/ai/images", {**picture, "model": "dall-e-2"}, {**token, "X-Workspace-Id": workspace}
        ),
        "on-model": CreateRequest("/v1/generate?onmodel", on_model, token),
        "native": CreateRequest("/v1/generations", {"kind": "image", **picture}, token),
        "openai": CreateRequest("/v1/images/generations", {**picture, "model": "dall-e-2"}, token),
    }
