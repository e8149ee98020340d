"""A receipt: what was requested, delivered and charged, as canonical JSON with a signature. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple
from uuid import UUID

from atelier_billing.books import HoldState, PostingKind
from atelier_contracts import DeliveredOutput, GenerationEnd
from atelier_contracts.canonical_json import canonical_json
from atelier_contracts.value_objects import is_test_id
from atelier_pricing import book_sha256

RECEIPT_TYPE = "atelier.receipt.v1"


class LedgerPosting(NamedTuple):
    """A posting as it is on the books."""

    id: UUID
    kind: str
    owner_id: UUID
    grant_id: UUID
    generation_id: UUID | None
    debit: str
    credit: str
    credits: int
    posted_at: datetime


@dataclass(frozen=True, slots=True)
class SettledHold:
    """A hold as it is on the books; a tombstone has no owner, no units and no price book."""

    owner_id: UUID | None
    owner_kind: str | None
    state: HoldState
    price_book: str
    reused: bool


@dataclass(frozen=True, slots=True)
class Ending:
    """All that one receipt is made of. ``number`` counts the receipts of one generation: the highest holds."""

    generation_id: UUID
    number: int
    ended_at: datetime
    end: GenerationEnd | None
    hold: SettledHold | None
    postings: Sequence[LedgerPosting]
    previous: Mapping[str, Any] | None = None
    """The receipt before this one: a correction changes the credits and says nothing else."""


def receipt_of(ending: Ending, *, id: UUID, key_id: str, log: str) -> dict[str, Any] | None:
    """The receipt as a JSON value; None where no owner is known, for a generation that never reached the books."""
    end = _end_of_previous(ending.previous) if ending.end is None and ending.previous else _end_of(ending)
    if end is None:
        return None
    return {
        "type": RECEIPT_TYPE,
        "id": str(id),
        "number": ending.number,
        "generation_id": str(ending.generation_id),
        **({"test": True} if is_test_id(UUID(end["owner"]["id"])) else {}),
        **end,
        "credits": _credits(ending.postings),
        "postings": [_posting(posting) for posting in ending.postings],
        "log": log,
        "key_id": key_id,
    }


def timestamp(at: datetime) -> str:
    """RFC 3339 in UTC, to the microsecond: one form for one moment."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def posting_leaf(posting: LedgerPosting) -> bytes:
    """The canonical bytes of a posting, of which the log has the hash."""
    owner, generation = str(posting.owner_id), posting.generation_id
    return canonical_json(
        {"type": "atelier.posting.v1", "owner_id": owner, "generation_id": str(generation) if generation else None}
        | _posting(posting)
    )


def _posting(posting: LedgerPosting) -> dict[str, Any]:
    return {
        "id": str(posting.id),
        "kind": posting.kind,
        "grant_id": str(posting.grant_id),
        "debit": posting.debit,
        "credit": posting.credit,
        "credits": posting.credits,
        "posted_at": timestamp(posting.posted_at),
    }


def _end_of(ending: Ending) -> dict[str, Any] | None:
    owner, end, hold = _owner(ending), ending.end, ending.hold
    request = end.request if end else None
    return owner and {
        "owner": owner,
        "kind": end.kind if end else None,
        "surface": request.surface if request else None,
        "request_sha256": request.sha256 if request else None,
        "requested_at": timestamp(request.requested_at) if request else None,
        "outcome": end.outcome if end else _outcome_of(hold),
        "code": end.code if end else None,
        "outputs": _outputs(end),
        "provider": end.provider if end else None,
        "model": end.model if end else None,
        "reused": hold.reused if hold else False,
        "price_book": _price_book(hold),
        "ended_at": timestamp(ending.ended_at),
    }


def _end_of_previous(receipt: Mapping[str, Any]) -> dict[str, Any]:
    return {name: receipt[name] for name in _END_FIELDS}


_END_FIELDS = (
    *("owner", "kind", "surface", "request_sha256", "requested_at", "outcome", "code", "outputs", "provider", "model"),
    *("reused", "price_book", "ended_at"),
)


def _owner(ending: Ending) -> dict[str, str] | None:
    if ending.hold and ending.hold.owner_id:
        return {"kind": str(ending.hold.owner_kind), "id": str(ending.hold.owner_id)}
    return {"kind": ending.end.owner.kind, "id": str(ending.end.owner.id)} if ending.end else None


def _outcome_of(hold: SettledHold | None) -> str:
    """What the books alone say about the end."""
    return "succeeded" if hold and hold.state is HoldState.CAPTURED else "cancelled"


def _outputs(end: GenerationEnd | None) -> list[dict[str, Any]]:
    outputs = end.outputs if end else ()
    return [
        {"sha256": each.sha256, "media_type": each.content_type, "bytes": each.size} | _delivery(each)
        for each in outputs
    ]


def _delivery(output: DeliveredOutput) -> dict[str, str]:
    """How and when it reached its client; nothing where it was charged on completion."""
    if output.delivered_by is None or output.delivered_at is None:
        return {}
    return {"delivered_by": output.delivered_by, "delivered_at": timestamp(output.delivered_at)}


def _price_book(hold: SettledHold | None) -> dict[str, str | None] | None:
    return {"version": hold.price_book, "sha256": book_sha256(hold.price_book)} if hold and hold.price_book else None


def _credits(postings: Sequence[LedgerPosting]) -> dict[str, int]:
    """Added up from the postings, which are the source of truth."""

    def total(kind: PostingKind) -> int:
        return sum(posting.credits for posting in postings if posting.kind == kind)

    return {
        "reserved": total(PostingKind.RESERVE),
        "captured": total(PostingKind.CAPTURE),
        "refunded": total(PostingKind.REFUND),
        "returned": total(PostingKind.RETURN),
    }
