"""Steps of the tests of seed 001: create stories, have them narrated, play the render's part."""

from typing import Any
from uuid import UUID

import httpx

from atelier_contracts import (
    Artefact,
    GenerationFailed,
    GenerationRequested,
    GenerationSucceeded,
)
from atelier_storage.keys import artefact_key

from .world import Headers, World

STORIES, GENERATIONS = "/api/stories", "/api/story-generations"
STORY = {"title": "The lighthouse", "text": "The old keeper climbed the stairs. He lit the lamp.", "language": "en"}
HIDDEN = ("stories", "story_generations", "generation_logs")


async def create_story(world: World, headers: Headers, **changes: Any) -> str:
    """The id of a new story."""
    made = await world.client.post(STORIES, headers=headers, json={**STORY, **changes})
    assert made.status_code == 201, made.text
    return str(made.json()["id"])


async def initiate(world: World, headers: Headers, story: object, **more: str) -> httpx.Response:
    return await world.client.post(GENERATIONS, headers={**headers, **more}, json={"story_id": str(story)})


async def start_narration(world: World, headers: Headers, story: str | None = None) -> UUID:
    """The id of a new narration."""
    made = await initiate(world, headers, story or await create_story(world, headers))
    assert made.status_code == 202, made.text
    return UUID(made.json()["id"])


async def get_narration(world: World, headers: Headers, id_: UUID) -> dict[str, Any]:
    reply = await world.client.get(f"{GENERATIONS}/{id_}", headers=headers)
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


async def becomes(world: World, headers: Headers, id_: UUID, status: str, progress: int | None = None) -> None:
    async def has_status() -> bool:
        view = await get_narration(world, headers, id_)
        return bool(view["status"] == status and progress in (None, view["progress"]))

    await world.until(has_status)


async def succeed(world: World, user: UUID, id_: UUID) -> str:
    """Ends a narration; the key of its audio."""
    key = artefact_key("user", user, id_, 0, "mp3")
    audio = Artefact(key=key, content_type="audio/mpeg", size=3, sha256="ab" * 32)
    await world.neighbours.say(
        GenerationSucceeded(
            generation_id=id_, outputs=(audio,), delivered=1, captured=1, refunded=0, provider="narration"
        )
    )
    return key


async def fail(world: World, id_: UUID) -> None:
    await world.neighbours.say(
        GenerationFailed(generation_id=id_, outcome="failed", code="provider_failed", reason="mute", refunded=1)
    )


def request_of(world: World, id_: UUID) -> GenerationRequested:
    messages = [envelope.message for envelope in world.neighbours.heard]
    return next(m for m in messages if isinstance(m, GenerationRequested) and m.generation_id == id_)
