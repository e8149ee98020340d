"""What clients see of a generation, built from events. Pure, and indifferent to the order in which events arrive.

Each field only ever climbs: the state by its rank, the progress by its number. A terminal state is never left. So
redelivered, reordered and day-late events all end in the same picture.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from atelier_contracts import (
    Artefact,
    Event,
    GenerationCancelled,
    GenerationFailed,
    GenerationQueued,
    GenerationReady,
    GenerationRejected,
    GenerationSucceeded,
    Owner,
    RenderProgressed,
    RenderStarted,
)
from atelier_gateway.projection.caps import cap_view
from atelier_gateway.projection.handover import Handover
from atelier_storage.keys import belongs_to, generation_of, thumbnail_key

State = Literal[
    "accepted", "queued", "rendering", "delivering", "succeeded", "failed", "cancelled", "expired", "rejected"
]

DELIVERING = 3
"""The rank at which outputs exist: where they are charged on delivery, they wait to be delivered."""
TERMINAL = 9
RANKS: Mapping[State, int] = {
    "accepted": 0,
    "queued": 1,
    "rendering": 2,
    "delivering": DELIVERING,
    "succeeded": TERMINAL,
    "failed": TERMINAL,
    "cancelled": TERMINAL,
    "expired": TERMINAL,
    "rejected": TERMINAL,
}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The changing part of a generation. Credits are whole; ``progress`` is 0..100."""

    state: State = "accepted"
    progress: int = 0
    credits_reserved: int = 0
    credits_captured: int = 0
    credits_refunded: int = 0
    outputs: tuple[dict[str, Any], ...] = ()
    error: dict[str, Any] | None = None
    maker: str | None = None
    """The provider that made the outputs, once they are made; not always the requested one."""
    reused: bool = False
    """Whether the outputs are an equal earlier result."""
    owner: Owner | None = None
    """The owner, where known: no other owner's objects become its outputs. This never changes."""
    model: str | None = None
    """The model that made them, where its provider's models have names; not always the one that was named."""
    started_at: datetime | None = None
    """When its first render began."""
    ended_at: datetime | None = None
    credits_returned: int = 0
    """Of what was captured, given back by corrections since."""
    handover: Handover | None = None
    """Of a generation that is charged on delivery: its outputs, apart from ``outputs`` until they are delivered."""

    @property
    def rank(self) -> int:
        """How far it has come."""
        return RANKS[self.state]


def fold(snapshots: Mapping[UUID, Snapshot], events: Iterable[tuple[Event, datetime]]) -> dict[UUID, Snapshot]:
    """The generations that these events, each with its time, change, as they are afterwards. Events about unknown ones
    are left out."""
    after = dict(snapshots)
    for event, at in events:
        if event.generation_id in after:
            after[event.generation_id] = advance(after[event.generation_id], event, at)
    return {id: snapshot for id, snapshot in after.items() if snapshot != snapshots[id]}


def advance(now: Snapshot, event: Event, at: datetime) -> Snapshot:
    """The snapshot after one event of this time; the same one where the event has nothing new to say."""
    match event:
        case RenderProgressed():
            return _climb(_begin(replace(now, progress=max(now.progress, event.progress)), at), "rendering")
        case RenderStarted():
            return _climb(_begin(now, at), "rendering")
        case GenerationQueued():
            reserved = now.credits_reserved if now.state == "rejected" else event.credits
            return _climb(replace(now, credits_reserved=reserved), "queued")
        case _ if now.rank == TERMINAL:
            return now
        case GenerationReady():
            return _handover(now, event)
        case _:
            ended = _end(now, event)
            return ended if ended is now else replace(ended, ended_at=at, handover=now.handover and now.handover.end())


def _begin(now: Snapshot, at: datetime) -> Snapshot:
    return replace(now, started_at=min(now.started_at or at, at))


def _climb(now: Snapshot, state: State) -> Snapshot:
    return replace(now, state=state) if RANKS[state] > now.rank else now


def _handover(now: Snapshot, event: GenerationReady) -> Snapshot:
    if now.state == "delivering":
        return now
    outputs = tuple(_to_output(output) for output in event.outputs if _is_own(output.key, event, now.owner))
    handover = (now.handover or Handover()).model_copy(
        update={"deliver_by": event.deliver_by, "made": event.made, "outputs": outputs}
    )
    return replace(
        now,
        state="delivering",
        progress=100,
        handover=handover,
        maker=event.provider,
        model=event.model,
        reused=event.reused,
    )


def _end(now: Snapshot, event: Event) -> Snapshot:
    match event:
        case GenerationSucceeded():
            return replace(
                now,
                state="succeeded",
                progress=100,
                credits_captured=event.captured,
                credits_refunded=event.refunded,
                outputs=tuple(_to_output(output) for output in event.outputs if _is_own(output.key, event, now.owner)),
                maker=event.provider,
                reused=event.reused,
                model=event.model,
            )
        case GenerationFailed():
            error = {"code": event.code, "message": event.reason}
            return replace(now, state=event.outcome, credits_refunded=event.refunded, error=error)
        case GenerationCancelled():
            return replace(now, state="cancelled", credits_refunded=event.refunded)
        case GenerationRejected():
            refusal: dict[str, Any] = {"code": event.reason, "required": event.required, "available": event.available}
            if event.cap is not None:
                refusal["cap"] = cap_view(event.cap)
            if event.quote_refusal is not None:
                refusal["quote"] = event.quote_refusal
            return replace(now, state="rejected", credits_reserved=0, error=refusal)
    return now


def _is_own(key: str, event: Event, owner: Owner | None) -> bool:
    """Whether the key was made for this generation: a message can name any key, and what is kept here is signed."""
    return generation_of(key) == event.generation_id and (owner is None or belongs_to(key, owner.kind, owner.id))


def _to_output(output: Artefact) -> dict[str, Any]:
    thumbnail = output.thumbnail if output.thumbnail == thumbnail_key(output.key) else None
    return output.model_copy(update={"thumbnail": thumbnail}).model_dump(mode="json")
