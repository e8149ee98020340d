"""What the tests of the native surface share: making generations, looking at them, ending them."""

from typing import Any
from uuid import UUID

import httpx

from atelier_contracts import (
    Artefact,
    CancelRequested,
    GenerationFailed,
    GenerationSucceeded,
)

from .neighbours import admit
from .world import World

IMAGE = {"kind": "image", "prompt": "a cat", "size": "256x256"}
NARRATION = {"kind": "narration", "prompt": "once upon a time"}


async def create(world: World, headers: dict[str, str], body: dict[str, Any] | None = None, **more: str) -> UUID:
    made = await world.client.post("/v1/generations", headers=headers | more, json=body or IMAGE)
    assert made.status_code == 201, made.text
    generation = UUID(made.json()["id"])
    if world.neighbours.answer is admit:
        await wait_until_projected(world, generation, "queued")
    return generation


async def wait_until_projected(world: World, generation: UUID, state: str) -> None:
    async def looks_so() -> bool:
        found = await world.pool.fetchval("SELECT state FROM generations WHERE id = $1", generation)
        return bool(found == state)

    await world.until(looks_so)


async def get_view(world: World, headers: dict[str, str], generation: UUID) -> dict[str, Any]:
    found: dict[str, Any] = (await world.client.get(f"/v1/generations/{generation}", headers=headers)).json()
    return found


async def wait_until_status(world: World, headers: dict[str, str], generation: UUID, status: str) -> None:
    async def looks_so() -> bool:
        return bool((await get_view(world, headers, generation))["status"] == status)

    await world.until(looks_so)


async def fail(world: World, headers: dict[str, str], generation: UUID) -> None:
    await world.neighbours.say(
        GenerationFailed(generation_id=generation, outcome="failed", code="provider_failed", reason="no", refunded=1)
    )
    await wait_until_status(world, headers, generation, "failed")


async def cancel(world: World, headers: dict[str, str], generation: UUID, key: str | None = None) -> httpx.Response:
    keyed = {"Idempotency-Key": key} if key else {}
    return await world.client.post(f"/v1/generations/{generation}/cancel", headers=headers | keyed)


def cancels_heard(world: World, *generations: UUID) -> int:
    """Of these: what the test before has sent may come late."""
    heard = (envelope.message for envelope in world.neighbours.heard)
    return sum(isinstance(each, CancelRequested) and each.generation_id in generations for each in heard)


def success(generation: UUID, *outputs: Artefact) -> GenerationSucceeded:
    return GenerationSucceeded(
        generation_id=generation, outputs=outputs, delivered=1, captured=1, refunded=0, provider="local"
    )
