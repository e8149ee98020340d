"""One log line when a generation is admitted or refused, one when it ends: what an operator searches for by its id, its
owner, its request id or its trace."""

import logging
from collections.abc import Iterable, Mapping
from uuid import UUID

from atelier_contracts import Owner
from atelier_gateway.projection.changes import GenerationEnd
from atelier_gateway.projection.snapshot import Snapshot
from atelier_gateway.projection.store import NewGeneration

logger = logging.getLogger(__name__)


def log_admission(new: NewGeneration, state: str, code: str | None, *, seconds: float) -> None:
    """``state``: accepted, rejected or unavailable; ``code`` says why it was not accepted."""
    logger.info(
        "generation %s %s%s",
        new.id,
        state,
        f" ({code})" if code else "",
        extra=_fields(new.id, new.owner, new.kind, new.surface, new.request_id, new.trace_id)
        | {"state": state, "code": code, "credits": new.price, "seconds": round(seconds, 4)},
    )


def log_ends(ended: Iterable[GenerationEnd], snapshots: Mapping[UUID, Snapshot]) -> None:
    """``credits`` are those charged. A failure is logged at INFO too: nothing of ours need be broken."""
    for end in ended:
        now = snapshots[end.id]
        code = str(now.error["code"]) if now.error else None
        logger.info(
            "generation %s %s%s",
            end.id,
            now.state,
            f" ({code})" if code else "",
            extra=_fields(end.id, end.owner, end.kind, end.surface, end.request_id, end.trace_id)
            | {
                "state": now.state,
                "code": code,
                "provider": now.maker,
                "credits": now.credits_captured,
                "credits_returned": now.credits_refunded,
                "seconds": round(end.seconds, 3),
            },
        )


def _fields(
    id_: UUID, owner: Owner, kind: str, surface: str, request_id: str | None, trace_id: str | None
) -> dict[str, object]:
    fields: dict[str, object] = {
        "generation_id": str(id_),
        "owner": f"{owner.kind}:{owner.id}",
        "kind": kind,
        "surface": surface,
    }
    origin = {"request_id": request_id, "trace_id": trace_id, "test": owner.is_test}
    return fields | {name: value for name, value in origin.items() if value}
