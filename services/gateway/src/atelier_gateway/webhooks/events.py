"""The events of webhooks: each state a generation enters is one. Pure.

The states that a batch of messages passes through at once are events too, in order; a message that is too late to
change anything is none.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from atelier_contracts import Event
from atelier_gateway.projection.snapshot import TERMINAL, Snapshot, State, advance

TYPES: Mapping[State, str] = {
    "queued": "generation.queued",
    "rendering": "generation.rendering",
    "delivering": "generation.delivering",
    "succeeded": "generation.succeeded",
    "failed": "generation.failed",
    "cancelled": "generation.cancelled",
    "expired": "generation.expired",
    "rejected": "generation.rejected",
}
"""The events by state. Progress is for live streams only."""
DISPUTE_DECIDED = "dispute.decided"
"""A dispute was decided and what follows is done; ``data`` is the dispute."""
CAP_REACHED = "cap.reached"
"""A cap is used up to a percentage; ``data`` is the percentage and the cap."""
TEST = "webhook.test"


@dataclass(frozen=True, slots=True)
class StateChange:
    """A generation entered a state; ``traceparent`` is of the span that received the message."""

    generation_id: UUID
    snapshot: Snapshot
    traceparent: str | None

    @property
    def type(self) -> str:
        """The event's name."""
        return TYPES[self.snapshot.state]

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self.snapshot.rank == TERMINAL


def state_changes(
    before: Mapping[UUID, Snapshot], heard: Iterable[tuple[Event, datetime, str | None]]
) -> list[StateChange]:
    """The states that these events, each with its time, lead to, with the traceparent of what led there."""
    now, found = dict(before), []
    for event, at, traceparent in heard:
        id_ = event.generation_id
        if id_ not in now:
            continue
        after = advance(now[id_], event, at)
        if after.state != now[id_].state:
            found.append(StateChange(id_, after, traceparent))
        now[id_] = after
    return found
