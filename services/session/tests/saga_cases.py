"""A generation in every state and every trigger that can reach it, for the tests of the saga."""

from datetime import UTC, datetime
from uuid import UUID

from atelier_contracts import (
    Artefact,
    CancelRequested,
    CreditCaptured,
    CreditDeclined,
    CreditDeducted,
    CreditRefunded,
    GenerationEnd,
    GenerationRequested,
    Owner,
    RefundCredit,
    RenderCompleted,
    RenderFailed,
    RenderSpec,
    RenderStarted,
    RequestRecord,
    Work,
)
from atelier_contracts.receipts import EndOutcome
from atelier_session.generation import DeadlinePassed, Generation, GracePassed, ResendDue, State, Trigger

ID = UUID(int=1)
OWNER = Owner(kind="store", id=UUID(int=2))
REQUEST = GenerationRequested(
    generation_id=ID,
    channel="b2b",
    owner=OWNER,
    work=Work(kind="try_on"),
    spec=RenderSpec(kind="try_on"),
    deadline_s=900,
    record=RequestRecord(surface="b2b", sha256="ab", requested_at=datetime(2026, 1, 1, tzinfo=UTC)),
)
PICTURE = Artefact(key="stores/x/generated/y/0.png", content_type="image/png", size=1, sha256="00")
TRIGGERS: list[Trigger] = [
    REQUEST,
    CreditDeducted(generation_id=ID, owner=OWNER, credits=1, price_book="v1"),
    CreditDeclined(generation_id=ID, reason="insufficient_credits", required=1, available=0),
    CreditCaptured(generation_id=ID, captured=1, refunded=0),
    CreditRefunded(generation_id=ID, refunded=1),
    RenderStarted(generation_id=ID, attempt=1),
    RenderCompleted(generation_id=ID, outputs=(PICTURE,), delivered=1, requested=1, provider="local"),
    RenderFailed(generation_id=ID, code="provider_failed", reason="it broke"),
    CancelRequested(generation_id=ID),
    CancelRequested(generation_id=ID, cause="client_gone"),
    DeadlinePassed(),
    GracePassed(),
    ResendDue(),
]


def generation(state: State = State.NEW) -> Generation:
    return Generation(REQUEST, datetime(2026, 1, 1, tzinfo=UTC), state)


def refund(outcome: EndOutcome, code: str | None = None) -> RefundCredit:
    end = GenerationEnd(owner=OWNER, kind="try_on", outcome=outcome, code=code, request=REQUEST.record)
    return RefundCredit(generation_id=ID, end=end)
