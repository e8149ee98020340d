"""What the other three services have on record about a generation. One that is silent leaves a gap with its reason; it
never hides what the others know."""

import asyncio
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from atelier_gateway.peers.client import PeerClient, PeerUnavailable

Record = dict[str, Any]
LACKS: Mapping[str, str] = {
    "session": "the steps of its saga, its deadline and its next timer",
    "billing": "its credits: what is held, charged or returned",
    "render": "its render attempts and what providers answered",
}
"""What a timeline lacks while a service does not answer."""


@dataclass(frozen=True, slots=True)
class PeerRecords:
    """Each None where the service has nothing or did not answer; ``missing`` lists those that did not answer."""

    saga: Record | None
    hold: Record | None
    job: Record | None
    missing: tuple[dict[str, str], ...]

    @property
    def is_complete(self) -> bool:
        """Whether every service answered."""
        return not self.missing


async def collect(internal: PeerClient, id_: UUID, *, with_job: bool = True) -> PeerRecords:
    """Asks session, billing and, ``with_job``, render at once."""
    missing: list[dict[str, str]] = []

    async def ask(service: str, record: Awaitable[Record | None]) -> Record | None:
        try:
            return await record
        except PeerUnavailable as error:
            missing.append(gap(service, str(error)))
            return None

    saga, hold, job = await asyncio.gather(
        ask("session", internal.get_saga(id_)),
        ask("billing", internal.get_hold(id_)),
        ask("render", internal.get_job(id_)) if with_job else _nothing(),
    )
    return PeerRecords(saga, hold, job, tuple(sorted(missing, key=lambda absent: absent["service"])))


async def _nothing() -> Record | None:
    return None


def gap(service: str, reason: str) -> dict[str, str]:
    """What is missing from the story while a service does not answer, and why."""
    return {"service": service, "reason": reason, "lacks": LACKS[service]}
