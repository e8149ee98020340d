"""What the tests of batches share: what billing signs, rows, and neighbours that deliver them."""

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any
from uuid import UUID

from atelier_contracts import (
    Artefact,
    GenerationFailed,
    GenerationRejected,
    GenerationRequested,
    GenerationSucceeded,
    Message,
)
from atelier_storage.keys import artefact_key

from .neighbours import admit
from .world import World

PATH = "/v1/generation-batches"
QUOTE = {"quote": "signed.by.billing", "credits": 1, "price_book": "2026-09", "expires_at": "2027-01-01T00:00:00Z"}
IMAGE = {"kind": "image", "prompt": "a cat", "size": "256x256"}
FAILING = "a dog"
"""A prompt that ``deliver`` fails."""


def willing(world: World, *, balance: int = 1_000) -> None:
    """Billing signs prices of one credit, and the owner has credits."""
    world.neighbours.records["quote"] = QUOTE
    world.neighbours.balance = balance
    world.neighbours.answer = deliver(world)


def deliver(world: World) -> Callable[[GenerationRequested], Message]:
    """Admits each, and ends it: as delivered, or as failed where it is of a dog."""
    background: set[asyncio.Task[None]] = set()

    async def end(request: GenerationRequested) -> None:
        key = artefact_key(request.owner.kind, request.owner.id, request.generation_id, 0, "png")
        await world.container.objects.put(key, b"png", "image/png")
        output = Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32, width=8, height=9)
        await world.neighbours.say(
            GenerationFailed(
                generation_id=request.generation_id, outcome="failed", code="refused", reason="no dogs", refunded=1
            )
            if request.spec.prompt == FAILING
            else GenerationSucceeded(
                generation_id=request.generation_id,
                outputs=(output,),
                delivered=1,
                captured=1,
                refunded=0,
                provider="local",
            )
        )

    def answer(request: GenerationRequested) -> Message:
        task = asyncio.create_task(end(request))
        background.add(task)
        task.add_done_callback(background.discard)
        return admit(request)

    return answer


def reject(request: GenerationRequested, *, available: int = 0) -> Message:
    """Has too few credits."""
    return GenerationRejected(
        generation_id=request.generation_id, reason="insufficient_credits", required=1, available=available
    )


def rows(number: int, *, failing: int = 0) -> list[dict[str, Any]]:
    """So many rows, of which the first ``failing`` bring nothing."""
    return [
        {"custom_id": f"row-{index}", "request": IMAGE | ({"prompt": FAILING} if index < failing else {})}
        for index in range(number)
    ]


async def create(world: World, headers: dict[str, str], body: dict[str, Any], **more: str) -> dict[str, Any]:
    """The batch as it was created."""
    made = await world.client.post(PATH, headers=headers | more, json=body)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


async def wait_until(world: World, headers: dict[str, str], id_: str, *statuses: str) -> dict[str, Any]:
    """The batch once it has one of these statuses."""
    found: dict[str, Any] = {}

    async def has_status() -> bool:
        found.update((await world.client.get(f"{PATH}/{id_}", headers=headers)).json())
        return found["status"] in statuses

    await world.until(has_status)
    return found


def begun(world: World) -> Counter[UUID]:
    """How often each generation reached the session."""
    return Counter(
        envelope.message.generation_id
        for envelope in world.neighbours.heard
        if isinstance(envelope.message, GenerationRequested)
    )


ORDER: dict[str, Any] = {"endpoint": "/v1/images/generations", "completion_window": "24h"}
"""A batch of OpenAI's surface, but for its file."""


def lines(number: int, *, failing: int = 0, **body: Any) -> list[dict[str, Any]]:
    """So many lines of an input file, of which the first ``failing`` bring nothing."""
    asked = {"prompt": "a cat", "model": "dall-e-2", "size": "256x256"} | body
    return [
        {
            "custom_id": f"line-{index}",
            "method": "POST",
            "url": ORDER["endpoint"],
            "body": asked | ({"prompt": FAILING} if index < failing else {}),
        }
        for index in range(number)
    ]


def jsonl(found: list[dict[str, Any]]) -> bytes:
    """As the lines of a file."""
    return b"".join(json.dumps(line).encode() + b"\n" for line in found)


async def upload(world: World, headers: Mapping[str, str], found: list[dict[str, Any]], **fields: str) -> str:
    """The id of the uploaded file."""
    files = {"file": ("lines.jsonl", jsonl(found), "application/jsonl")}
    sent = {"purpose": "batch"} | fields
    made = await world.client.post("/v1/files", headers=dict(headers), data=sent, files=files)
    assert made.status_code == 200, made.text
    return str(made.json()["id"])
