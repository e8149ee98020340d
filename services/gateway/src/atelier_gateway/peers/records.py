"""What the other three services have on record about a generation. One that is silent leaves a gap with its reason; it
never hides what the others know."""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from atelier_gateway.generations.operator_timeline import gap
from atelier_gateway.peers.client import Internal, Unanswered

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class PeerRecords:
    """Each None where the service has nothing or did not answer; ``missing`` tells which of them did not answer."""

    saga: Record | None
    hold: Record | None
    job: Record | None
    missing: tuple[dict[str, str], ...]

    @property
    def is_complete(self) -> bool:
        """Whether every service answered."""
        return not self.missing


async def collect(internal: Internal, id_: UUID, *, with_job: bool = True) -> PeerRecords:
    """Asks session, billing and, ``with_job``, render at once."""
    missing: list[dict[str, str]] = []

    async def ask(service: str, record: Awaitable[Record | None]) -> Record | None:
        try:
            return await record
        except Unanswered as error:
            missing.append(gap(service, str(error)))
            return None

    saga, hold, job = await asyncio.gather(
        ask("session", internal.saga(id_)),
        ask("billing", internal.hold(id_)),
        ask("render", internal.job(id_)) if with_job else _nothing(),
    )
    return PeerRecords(saga, hold, job, tuple(sorted(missing, key=lambda absent: absent["service"])))


async def _nothing() -> Record | None:
    return None
