"""A workspace and a member of it, in the hands of a test."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import httpx

from atelier_contracts import Artefact, GenerationFailed, GenerationRequested, GenerationSucceeded, Message
from atelier_storage.keys import artefact_key

from .world import ADMIN, World

PATH = "/api/ai/images"
PROMPT = {"prompt": "a red bicycle"}
ASYNC = {"Prefer": "respond-async"}


class Team:
    """A workspace and a member of it."""

    def __init__(self, world: World, user: UUID, workspace: UUID, headers: dict[str, str]) -> None:
        self.world, self.user, self.id = world, user, workspace
        self.token = headers
        self.headers = headers | {"X-Workspace-Id": str(workspace)}

    async def ask(self, more: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        """POSTs a prompt."""
        return await self.world.client.post(PATH, headers=self.headers | (more or {}), json=PROMPT | body)

    async def ask_and_hear(self, ends: Callable[[GenerationRequested], Message], **body: Any) -> httpx.Response:
        """POSTs, and while that waits the session reports the end."""
        waiting = asyncio.create_task(self.ask(**body))
        await self.world.until(self.has_started)
        await self.world.neighbours.say(ends(self.last_request()))
        return await waiting

    def last_request(self) -> GenerationRequested:
        """What reached the session."""
        message = self.world.neighbours.heard[-1].message
        assert isinstance(message, GenerationRequested)
        return message

    async def read(self, id_: object) -> httpx.Response:
        """Its record."""
        return await self.world.client.get(f"{PATH}/{id_}", headers=self.headers)

    async def has_started(self) -> bool:
        return bool(self.world.neighbours.started)


async def team_of(world: World) -> Team:
    """A new one."""
    user, headers = await world.user()
    body = {"name": "W", "member_ids": [str(user)]}
    made = await world.client.post("/v1/admin/workspaces", headers=ADMIN, json=body)
    return Team(world, user, UUID(made.json()["id"]), headers)


def deliver(count: int, unit: int) -> Callable[[GenerationRequested], Message]:
    """So many of the pictures are made, each at this price."""

    def ends(request: GenerationRequested) -> Message:
        keys = [
            artefact_key("workspace", request.owner.id, request.generation_id, index, "png") for index in range(count)
        ]
        outputs = tuple(
            Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32, width=1024, height=1024)
            for key in keys
        )
        return GenerationSucceeded(
            generation_id=request.generation_id,
            outputs=outputs,
            delivered=count,
            captured=count * unit,
            refunded=(request.work.n - count) * unit,
            provider="local",
        )

    return ends


def fail_with_reason(request: GenerationRequested) -> Message:
    """Nothing is made, everything is paid back."""
    return GenerationFailed(
        generation_id=request.generation_id,
        outcome="failed",
        code="provider_failed",
        reason="the provider is on fire",
        refunded=10,
    )
