"""What a change of the projection leads to."""

from dataclasses import dataclass
from uuid import UUID

from atelier_contracts import Owner


@dataclass(frozen=True, slots=True)
class GenerationEnd:
    """A generation that has just ended, for the log: seconds from its POST to its end."""

    id: UUID
    owner: Owner
    kind: str
    surface: str
    seconds: float
    request_id: str | None
    trace_id: str | None


@dataclass(frozen=True, slots=True)
class SavedChanges:
    """What a change of snapshots leads to: the generations with webhooks to send, and those that have ended."""

    subscribed: frozenset[UUID] = frozenset()
    ended: tuple[GenerationEnd, ...] = ()
