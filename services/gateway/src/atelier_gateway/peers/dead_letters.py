"""Dead letters of all services: each reads its own, and answers for them. One that is silent leaves a gap."""

import asyncio
from collections.abc import Awaitable, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

from atelier_contracts.routes import ROUTES, SERVICES, owner_of
from atelier_gateway.peers.client import PeerClient, PeerUnavailable
from atelier_messaging import Bus
from atelier_messaging.dead_letter_api import DeadLettersUnavailable, OwnDeadLetters

T = TypeVar("T")
OWN = "gateway"
ROOT = "/internal/dead-letters"
ACT_S_MAX = 60.0
"""Seconds that a thousand letters may take to be moved."""


class DeadLetterOffice:
    """The dead letters of this service, and of the others over their internal API."""

    def __init__(self, bus: Bus, peers: PeerClient) -> None:
        self._bus = bus
        self._peers = peers

    async def describe(self) -> list[dict[str, Any]]:
        """``{service, reason, queues, outbox}`` of each service; ``reason``: why it says nothing."""
        return list(await asyncio.gather(*(self._describe(service) for service in SERVICES)))

    async def read(self, queue: str) -> list[dict[str, Any]]:
        """The oldest dead letters of a queue. Raises PeerUnavailable."""
        if owner_of(queue) == OWN:
            return await self._reach(self._own.read(queue))
        answer = await self._peers.ask("GET", owner_of(queue), f"{ROOT}/{quote(queue)}", timeout_s=ACT_S_MAX)
        letters: list[dict[str, Any]] = answer["letters"]
        return letters

    async def redrive(self, queue: str, frames: Sequence[str] | None) -> int:
        """Puts these, or all, back into their queue; returns how many. Raises PeerUnavailable."""
        if owner_of(queue) == OWN:
            return int(await self._reach(self._own.redrive(queue, list(frames) if frames else None)))
        return await self._act(queue, "redrive", "moved", frames)

    async def discard(self, queue: str, frames: Sequence[str]) -> int:
        """Drops these for good; returns how many. Raises PeerUnavailable."""
        if owner_of(queue) == OWN:
            return int(await self._reach(self._own.discard(queue, list(frames))))
        return await self._act(queue, "discard", "discarded", frames)

    @property
    def _own(self) -> OwnDeadLetters:
        return self._bus.dead_letters

    async def _act(self, queue: str, act: str, counted: str, frames: Sequence[str] | None) -> int:
        order = {"frames": list(frames) if frames else None}
        path = f"{ROOT}/{quote(queue)}/{act}"
        return int((await self._peers.ask("POST", owner_of(queue), path, order, timeout_s=ACT_S_MAX))[counted])

    async def _describe(self, service: str) -> dict[str, Any]:
        try:
            known = (
                await self._reach(self._own.describe())
                if service == OWN
                else await self._peers.ask("GET", service, ROOT)
            )
        except PeerUnavailable as error:
            queues = [queue for queue in ROUTES if owner_of(queue) == service]
            unknown = [{"queue": queue, "waiting": None, "consumers": None, "dead": None} for queue in queues]
            return {"service": service, "reason": str(error), "queues": unknown, "outbox": None}
        return {"service": service, "reason": None, **known}

    async def _reach(self, act: Awaitable[T]) -> T:
        try:
            return await act
        except DeadLettersUnavailable as error:
            raise PeerUnavailable(f"{OWN} does not answer: {error}") from error
