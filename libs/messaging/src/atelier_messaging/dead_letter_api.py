"""Internal HTTP API of a service's own dead letters and queues, for the gateway, which may read no other's."""

import asyncio
import logging
from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, TypeVar

from aio_pika.exceptions import AMQPError
from fastapi import APIRouter, HTTPException
from pydantic import BaseModel, Field, SecretStr

from atelier_contracts.routes import ROUTES, owner_of
from atelier_messaging import dead_letters
from atelier_messaging.database import Pool
from atelier_messaging.publisher import Publisher
from atelier_messaging.topology import dead_queue
from atelier_telemetry.operations import require_token

Frame = Annotated[str, Field(pattern="^[0-9a-f]{24}$")]
T = TypeVar("T")
LISTED_MAX = 200
OUTBOX_MAX = 10_000
_OUTBOX = """
SELECT count(*) AS pending, extract(epoch FROM now() - min(created_at))::float8 AS oldest_s
FROM (SELECT created_at FROM outbox ORDER BY id LIMIT $1) waiting
"""
logger = logging.getLogger(__name__)


class DeadLettersUnavailable(Exception):
    """The broker is unavailable, or does not let this service look at its dead letters."""


class Frames(BaseModel):
    """Which dead letters; None means all that are there, at most ``LIST_MAX``."""

    frames: Annotated[list[Frame], Field(min_length=1, max_length=LISTED_MAX)] | None = None


class OwnDeadLetters:
    """The dead letters of one service's queues. Its methods raise DeadLettersUnavailable."""

    def __init__(
        self, service: str, url: str, publisher: Publisher, pool: Pool, partitions: Mapping[str, Sequence[str]]
    ) -> None:
        self._service = service
        self._url = url
        self._publisher = publisher
        self._pool = pool
        self._partitions = partitions
        self.queues = tuple(queue for queue in ROUTES if owner_of(queue) == service)

    async def describe(self) -> dict[str, Any]:
        """``{queues: [{queue, waiting, consumers, dead}], outbox: {pending, oldest_s}}``."""
        queues = await asyncio.gather(*(self._measure(queue) for queue in self.queues))
        row = await self._pool.fetchrow(_OUTBOX, OUTBOX_MAX)
        return {"queues": list(queues), "outbox": dict(row) if row else {"pending": 0, "oldest_s": None}}

    async def _measure(self, queue: str) -> dict[str, Any]:
        """A queue with its partitions, as one."""
        names = (queue, dead_queue(queue), *self._partitions.get(queue, ()))
        depth, dead, *parts = await asyncio.gather(*(_reach(self._publisher.measure(name)) for name in names))
        return {
            "queue": queue,
            "waiting": depth.messages + sum(part.messages for part in parts if part) if depth else None,
            "consumers": depth.consumers if depth else None,
            "dead": dead.messages if dead else None,
        }

    async def read(self, queue: str) -> list[dict[str, Any]]:
        """The oldest ``LISTED_MAX`` of a queue."""
        return [asdict(each) for each in await _reach(dead_letters.list_dead(self._url, queue, limit=LISTED_MAX))]

    async def redrive(self, queue: str, frames: list[str] | None) -> int:
        """Puts them back into their queue; returns how many."""
        return await _reach(dead_letters.redrive(self._url, queue, frames=frames, role=self._service))

    async def discard(self, queue: str, frames: list[str]) -> int:
        """Drops them for good; returns how many."""
        dropped = await _reach(dead_letters.discard(self._url, queue, frames))
        logger.warning("%s: an operator discarded %d dead letters; they are gone", queue, dropped)
        return dropped


def dead_letter_router(own: OwnDeadLetters, token: SecretStr) -> APIRouter:
    """Routes under ``/internal/dead-letters``, for holders of the service token."""
    router = APIRouter(prefix="/internal/dead-letters", dependencies=require_token(token), include_in_schema=False)

    @router.get("")
    async def describe() -> dict[str, Any]:
        return await _answer(own.describe())

    @router.get("/{queue}")
    async def letters(queue: str) -> dict[str, Any]:
        return {"letters": await _answer(own.read(_own(own, queue)))}

    @router.post("/{queue}/redrive")
    async def redrive(queue: str, order: Frames) -> dict[str, int]:
        return {"moved": await _answer(own.redrive(_own(own, queue), order.frames))}

    @router.post("/{queue}/discard")
    async def discard(queue: str, order: Frames) -> dict[str, int]:
        return {"discarded": await _answer(own.discard(_own(own, queue), order.frames or []))}

    return router


def _own(own: OwnDeadLetters, queue: str) -> str:
    if queue not in own.queues:
        raise HTTPException(404, "this service has no such queue")
    return queue


async def _reach(act: Awaitable[T]) -> T:
    try:
        return await act
    except (AMQPError, OSError, RuntimeError, TimeoutError) as error:
        raise DeadLettersUnavailable(f"the broker cannot be reached, or refuses it: {error!r}") from error


async def _answer(act: Awaitable[T]) -> T:
    try:
        return await act
    except DeadLettersUnavailable as error:
        logger.warning("reading dead letters failed, the caller is answered 503: %s", error)
        raise HTTPException(503, "the broker cannot be reached, or refuses it") from error
