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
    OutputDelivery,
    OutputsDelivered,
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
from atelier_session import saga
from atelier_session.generation import (
    DeadlinePassed,
    DeliveryRecord,
    Generation,
    GracePassed,
    ResendDue,
    StartPassed,
    State,
    Trigger,
    WindowPassed,
)
from atelier_session.saga import LostRace, Transition

ID = UUID(int=1)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
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
    StartPassed(),
    GracePassed(),
    ResendDue(),
]
PICTURES = (PICTURE, PICTURE.model_copy(update={"key": "stores/x/generated/y/1.png", "sha256": "01"}))
READY = RenderCompleted(generation_id=ID, outputs=PICTURES, delivered=2, requested=2, provider="local")
FETCHED = tuple(OutputDelivery(output=number, how="fetched", at=NOW) for number in (0, 1))
ON_DELIVERY: list[Trigger] = [
    *(trigger for trigger in TRIGGERS if not isinstance(trigger, RenderCompleted)),
    READY,
    *(OutputsDelivered(generation_id=ID, delivered=(each,)) for each in FETCHED),
    CancelRequested(generation_id=ID, delivered=FETCHED),
    CancelRequested(generation_id=ID, cause="undeliverable", reason="it answered 403"),
    WindowPassed(),
    WindowPassed(FETCHED[1:]),
]
"""What can reach a generation of two outputs that is charged on delivery."""


def decide(known: Generation, trigger: Trigger) -> Transition | LostRace:
    """The effect of the trigger now."""
    return saga.decide(known, trigger, now=NOW)


def on_delivery(state: State = State.NEW, *delivered: OutputDelivery) -> Generation:
    request = REQUEST.model_copy(update={"delivery_window_s": 600})
    if state is State.NEW:
        return Generation(request, NOW)
    return Generation(request, NOW, state, result=READY, delivery=DeliveryRecord(deliver_by=NOW, delivered=delivered))


def generation(state: State = State.NEW) -> Generation:
    return Generation(REQUEST, datetime(2026, 1, 1, tzinfo=UTC), state)


def refund(outcome: EndOutcome, code: str | None = None) -> RefundCredit:
    end = GenerationEnd(owner=OWNER, kind="try_on", outcome=outcome, code=code, request=REQUEST.record)
    return RefundCredit(generation_id=ID, end=end)
