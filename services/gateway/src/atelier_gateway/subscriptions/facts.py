"""Which public events follow from messages of the bus. Pure.

Each state that a generation enters is one event; what comes too late to change anything is none. Credits are announced
so that a subscriber's sums are always right: nothing is settled that was not held before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any
from uuid import UUID

from atelier_contracts import ArtefactsExpired, BooksCorrected, CapReached, CreditGranted, Event, GrantExpired, Message
from atelier_contracts.public_events import (
    CreditsCapReachedFact,
    CreditsCorrectedFact,
    CreditsExpiredFact,
    CreditsGrantedFact,
    CreditsHeldFact,
    CreditsSettledFact,
    GenerationCancelledFact,
    GenerationDeletedFact,
    GenerationFailedFact,
    GenerationQueuedFact,
    GenerationReadyFact,
    GenerationRejectedFact,
    GenerationStartedFact,
    GenerationSucceededFact,
    OutputsExpiredFact,
    PublicEvent,
)
from atelier_gateway.projection.handover import Handover
from atelier_gateway.projection.snapshot import TERMINAL, Snapshot, advance
from atelier_gateway.projection.store import Generation
from atelier_telemetry.tracing import current_traceparent

OUTPUT_FIELDS = ("content_type", "size", "sha256", "width", "height")


@dataclass(frozen=True, slots=True)
class Fact:
    """A public event before it is logged. Of a generation only its own data: what all have in common is added later."""

    type: str
    subject: UUID
    at: datetime
    traceparent: str | None
    data: dict[str, Any]


def facts_of(before: Mapping[UUID, Snapshot], events: Iterable[tuple[Event, datetime, str | None]]) -> list[Fact]:
    """The facts that follow from these events, each with its time and traceparent; ``before`` are the snapshots as they
    were. Events about unknown generations are left out."""
    now, found = dict(before), []
    for event, at, traceparent in events:
        id_ = event.generation_id
        if id_ in now:
            after, changes = _step(now[id_], event, at)
            now[id_] = after
            found += [Fact(kind.type, id_, at, traceparent, data) for kind, data in changes]
    return found


def book_facts(
    heard: Iterable[tuple[Message, datetime, str | None]], is_news: Mapping[UUID, bool] = MappingProxyType({})
) -> list[Fact]:
    """The grants, expiries, corrections and caps reached among these messages, each with its time and traceparent;
    nothing that was announced before, and nothing that moved no credits. ``is_news`` says of some grants and
    corrections whether they were announced: where billing's first answer was lost, a later one is the first."""
    found: list[Fact] = []
    announced: set[UUID] = set()
    for message, at, traceparent in heard:
        match message:
            case CreditGranted() | BooksCorrected() if message.subject in announced:
                continue
            case CreditGranted() if is_news.get(message.subject, not message.given_before):
                kind: type[PublicEvent] = CreditsGrantedFact
                data = message.model_dump(mode="json", include={*CreditsGrantedFact.model_fields})
            case GrantExpired():
                kind = CreditsExpiredFact
                data = message.model_dump(mode="json", include={*CreditsExpiredFact.model_fields})
            case BooksCorrected() if (
                message.owner and message.credits and is_news.get(message.subject, not message.corrected_before)
            ):
                kind = CreditsCorrectedFact
                data = message.model_dump(mode="json", include={*CreditsCorrectedFact.model_fields})
                data["correction"] = message.kind
            case CapReached():
                kind = CreditsCapReachedFact
                use = message.cap.model_dump(mode="json", include={*CreditsCapReachedFact.model_fields})
                data = use | {"cap_id": str(message.cap_id), "percent": message.percent}
            case _:
                continue
        announced.add(message.subject)
        found.append(Fact(kind.type, message.subject, at, traceparent, data))
    return found


def deletion_fact(generation: Generation, at: datetime) -> Fact:
    """The fact that the owner deleted a generation; what the client wrote on it is not repeated."""
    data = {
        "generation_id": str(generation.id),
        "owner": generation.owner.model_dump(mode="json"),
        "kind": generation.kind,
        "surface": generation.surface,
        "metadata": {},
    }
    return Fact(GenerationDeletedFact.type, generation.id, at, current_traceparent(), data)


Change = tuple[type[PublicEvent], dict[str, Any]]


def _step(now: Snapshot, event: Event, at: datetime) -> tuple[Snapshot, list[Change]]:
    if isinstance(event, ArtefactsExpired):
        return now, [(OutputsExpiredFact, {})] if now.state == "succeeded" else []
    after = advance(now, event, at)
    if now.rank == TERMINAL:
        return now, []  # credits that are announced as held after the end would stay held
    changes: list[Change] = []
    if after.credits_reserved and not now.credits_reserved:
        changes.append((CreditsHeldFact, {"credits": after.credits_reserved}))
    if after.rank == TERMINAL and after.state != "rejected":
        changes += _settlement(after, held_before=now.credits_reserved)
        held = max(after.credits_reserved, after.credits_captured + after.credits_refunded)
        after = replace(after, credits_reserved=held)
    if after.state != now.state:
        changes.append(_state_change(after))
    return after, changes


def _settlement(after: Snapshot, *, held_before: int) -> list[Change]:
    """The end of the hold. Where the message that it was placed has not arrived, it is announced with its end."""
    held = held_before or after.credits_captured + after.credits_refunded
    if not held:
        return []
    settled = {"held": held, "captured": after.credits_captured, "returned": held - after.credits_captured}
    announced: list[Change] = [] if held_before else [(CreditsHeldFact, {"credits": held})]
    return [*announced, (CreditsSettledFact, settled)]


def _state_change(after: Snapshot) -> Change:
    returned = max(0, after.credits_reserved - after.credits_captured)
    match after.state:
        case "queued":
            return GenerationQueuedFact, {"credits": after.credits_reserved}
        case "rendering":
            return GenerationStartedFact, {}
        case "delivering":
            handover = after.handover or Handover()
            deliver_by = handover.deliver_by.isoformat() if handover.deliver_by else None
            return GenerationReadyFact, {
                "deliver_by": deliver_by,
                "outputs": _outputs(handover.outputs),
                **_maker(after),
            }
        case "succeeded":
            amounts = {"captured": after.credits_captured, "returned": returned}
            return GenerationSucceededFact, {**amounts, "outputs": _outputs(after.outputs), **_maker(after)}
        case "rejected":
            error = after.error or {}
            amounts = {name: error.get(name, 0) for name in ("required", "available")}
            return GenerationRejectedFact, {"reason": error.get("code", ""), **amounts}
        case "cancelled":
            return GenerationCancelledFact, {"returned": returned}
        case _:
            error = after.error or {}
            cause = {"code": error.get("code", ""), "reason": error.get("message", "")}
            return GenerationFailedFact, {"outcome": after.state, **cause, "returned": returned}


def _outputs(outputs: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [{name: output.get(name) for name in OUTPUT_FIELDS} for output in outputs]


def _maker(after: Snapshot) -> dict[str, Any]:
    return {"provider": after.maker, "model": after.model, "reused": after.reused}
