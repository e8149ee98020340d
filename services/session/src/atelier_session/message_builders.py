"""Builds each message that the saga sends, from the generation and the trigger."""

from collections.abc import Callable, Mapping

from atelier_contracts import (
    CancelRender,
    CaptureCredit,
    CreditCaptured,
    CreditDeclined,
    DeliveredOutput,
    DiscardRender,
    GenerationEnd,
    GenerationQueued,
    GenerationRejected,
    GenerationSucceeded,
    RefundCredit,
    RequestRender,
    ReserveCredit,
)
from atelier_contracts.message import GenerationMessage
from atelier_contracts.receipts import EndOutcome
from atelier_session.generation import Generation, ResendDue, State, Trigger

Builder = Callable[[Generation, Trigger], GenerationMessage]


def _build_request_render(generation: Generation, trigger: Trigger) -> RequestRender:
    request = generation.request
    return RequestRender(
        generation_id=request.generation_id,
        owner=request.owner,
        spec=request.spec,
        deadline_at=generation.deadline_at,
        again=isinstance(trigger, ResendDue),
    )


def _build_reserve(generation: Generation, _: Trigger) -> ReserveCredit:
    request = generation.request
    return ReserveCredit(
        generation_id=request.generation_id, owner=request.owner, work=request.work, record=request.record
    )


def _build_capture(generation: Generation, _: Trigger) -> CaptureCredit:
    assert generation.result is not None, "every way into CAPTURING has a result"
    result = generation.result
    return CaptureCredit(
        generation_id=generation.request.generation_id,
        delivered=result.delivered,
        reused=result.reused,
        end=_end_of(generation, "succeeded"),
    )


def _build_refund(generation: Generation, _: Trigger) -> RefundCredit:
    assert generation.ending is not None, "every way into REFUNDING chooses an ending"
    end = _end_of(generation, _OUTCOMES[generation.ending], code=_code_of(generation))
    return RefundCredit(generation_id=generation.request.generation_id, end=end)


def _end_of(generation: Generation, outcome: EndOutcome, code: str | None = None) -> GenerationEnd:
    request = generation.request
    result = generation.result if outcome == "succeeded" else None
    return GenerationEnd(
        owner=request.owner,
        kind=request.work.kind,
        outcome=outcome,
        code=code,
        outputs=tuple(
            DeliveredOutput(sha256=output.sha256, content_type=output.content_type, size=output.size)
            for output in (result.outputs if result else ())
        ),
        provider=result.provider if result else None,
        model=result.model if result else None,
        request=request.record,
    )


def _code_of(generation: Generation) -> str | None:
    """Why it is refunded; None where the client stopped it."""
    match generation.ending:
        case State.REJECTED:
            assert isinstance(generation.settlement, CreditDeclined), "the decline that led here"
            return generation.settlement.reason
        case State.CANCELLED:
            return None
        case State.FAILED if generation.failure is not None:
            return generation.failure.code
    return "deadline_passed"


def _build_queued(generation: Generation, _: Trigger) -> GenerationQueued:
    request = generation.request
    return GenerationQueued(generation_id=request.generation_id, metadata=request.metadata, credits=generation.credits)


def _build_rejected(generation: Generation, trigger: Trigger) -> GenerationRejected:
    assert isinstance(trigger, CreditDeclined)
    return GenerationRejected(
        generation_id=generation.request.generation_id,
        metadata=generation.request.metadata,
        reason=trigger.reason,
        required=trigger.required,
        available=trigger.available,
    )


def _build_succeeded(generation: Generation, trigger: Trigger) -> GenerationSucceeded:
    assert isinstance(trigger, CreditCaptured)
    assert generation.result is not None
    return GenerationSucceeded(
        generation_id=generation.request.generation_id,
        metadata=generation.request.metadata,
        outputs=generation.result.outputs,
        delivered=generation.result.delivered,
        captured=trigger.captured,
        refunded=trigger.refunded,
        provider=generation.result.provider,
        model=generation.result.model,
        reused=generation.result.reused,
    )


_OUTCOMES: Mapping[State, EndOutcome] = {
    State.FAILED: "failed",
    State.EXPIRED: "expired",
    State.CANCELLED: "cancelled",
    State.REJECTED: "rejected",
}
BUILDERS: Mapping[type[GenerationMessage], Builder] = {
    ReserveCredit: _build_reserve,
    RequestRender: _build_request_render,
    CaptureCredit: _build_capture,
    RefundCredit: _build_refund,
    CancelRender: lambda generation, _: CancelRender(generation_id=generation.request.generation_id),
    DiscardRender: lambda generation, _: DiscardRender(generation_id=generation.request.generation_id),
    GenerationQueued: _build_queued,
    GenerationRejected: _build_rejected,
    GenerationSucceeded: _build_succeeded,
}
"""One builder per message class; the saga's table names the classes."""
