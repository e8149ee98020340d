"""001, whole: a user writes a story, follows its narration, gets real speech and pays once, by the thousand."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest

from atelier_local.api_client.client import AdminClient
from whole_system.waits import eventually
from whole_system.world import World

TEXT = "The old lighthouse keeper climbed the stairs. Every evening he lit the lamp, and then? He sang! "
MP3_BYTES_PER_S = 48_000 / 8
SPEECH_CHARS_PER_S = (8, 25)


@pytest.fixture
async def user(world: World, admin: AdminClient) -> Any:
    """A user with 60 credits, and the client that acts for them."""
    async with httpx.AsyncClient(base_url=world.url, timeout=60) as client:
        id_ = await admin.create_user(f"{uuid4().hex}@tales.net")
        client.headers["Authorization"] = f"Bearer {await admin.issue_token(id_)}"
        await admin.grant("user", id_, 60, reason="test")
        yield id_, client


async def test_a_story_becomes_speech_that_is_charged_by_the_thousand_characters(
    world: World, admin: AdminClient, user: Any
) -> None:
    """001.1, 001.3, 001.4, 001.7 through every service."""
    id_, client = user
    text = (TEXT * 500)[:40_000]
    story = (await client.post("/api/stories", json={"title": "The lighthouse", "text": text})).json()

    started = await client.post("/api/story-generations", json={"story_id": story["id"]})
    assert started.status_code == 202, started.text
    path = f"/api/story-generations/{started.json()['id']}"
    on_the_way: list[int] = []

    async def find_ended() -> dict[str, Any] | None:
        view: dict[str, Any] = (await client.get(path)).json()
        if view["status"] == "in_progress" and 0 < view["progress"] < 100:
            on_the_way.append(view["progress"])
        return view if view["status"] in ("succeeded", "failed") else None

    done = await eventually(find_ended, within_s=120)

    assert (done["status"], done["progress"], done["story_id"]) == ("succeeded", 100, story["id"])
    assert on_the_way and on_the_way == sorted(on_the_way)
    async with httpx.AsyncClient() as anybody:
        audio = await anybody.get(done["result_url"])
    assert audio.headers["content-type"] == "audio/mpeg" and sound_of(audio.content)[0] == 0xFF
    slow, fast = SPEECH_CHARS_PER_S
    assert len(text) / fast < len(sound_of(audio.content)) / MP3_BYTES_PER_S < len(text) / slow
    assert (await admin.balance("user", id_)).captured == 40

    assert (await client.delete(path)).status_code == 204
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(done["result_url"])).status_code == 404


def sound_of(mp3: bytes) -> bytes:
    """An MP3 without the ID3 tag before it, whose length is encoded in four times seven bits."""
    assert mp3.startswith(b"ID3")
    length = sum(byte << shift for byte, shift in zip(mp3[6:10], (21, 14, 7, 0), strict=True))
    return mp3[10 + length :]


async def test_the_same_story_sounds_the_same(user: Any) -> None:
    """Settled 14: the same inputs give the same sound; the provenance manifest in its tag has an id of its own."""
    _, client = user
    story = (await client.post("/api/stories", json={"title": "Again", "text": TEXT, "language": "de"})).json()

    async def read_narration() -> bytes:
        started = await client.post("/api/story-generations", json={"story_id": story["id"]})
        path = f"/api/story-generations/{started.json()['id']}"

        async def url() -> str | None:
            found: str | None = (await client.get(path)).json()["result_url"]
            return found

        async with httpx.AsyncClient() as anybody:
            return (await anybody.get(await eventually(url))).content

    first, second = await asyncio.gather(read_narration(), read_narration())

    assert sound_of(first) == sound_of(second)
