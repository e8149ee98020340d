"""Builds each message that the saga sends, from the generation and the trigger."""

from collections.abc import Callable, Mapping
from typing import Literal

from atelier_contracts import (
    CancelRender,
    CaptureCredit,
    CreditCaptured,
    CreditDeclined,
    DeliveredOutput,
    DiscardRender,
    GenerationEnd,
    GenerationQueued,
    GenerationReady,
    GenerationRejected,
    GenerationSucceeded,
    RefundCredit,
    RequestRender,
    ReserveCredit,
)
from atelier_contracts.message import GenerationMessage
from atelier_contracts.receipts import EndOutcome
from atelier_session.generation import CapturedUnstored, Generation, PartDelivered, ResendDue, State, Trigger

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
        generation_id=request.generation_id,
        owner=request.owner,
        work=request.work,
        record=request.record,
        spenders=request.spenders,
        quote=request.quote,
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
        outputs=_delivered_outputs(generation) if result else (),
        provider=result.provider if result else None,
        model=result.model if result else None,
        request=request.record,
    )


def _delivered_outputs(generation: Generation) -> tuple[DeliveredOutput, ...]:
    assert generation.result is not None
    outputs = generation.result.outputs
    deliveries = generation.delivery.delivered if generation.delivery else (None,) * len(outputs)
    return tuple(
        DeliveredOutput(
            sha256=output.sha256,
            content_type=output.content_type,
            size=output.size,
            delivered_by=delivery.how if delivery else None,
            delivered_at=delivery.at if delivery else None,
        )
        for output, delivery in zip(outputs, deliveries, strict=False)  # an erased result names no outputs
    )


def failure_of(generation: Generation) -> tuple[str, str]:
    """Why a generation failed or expired: code and sentence."""
    failure = generation.failure
    if failure is not None and (generation.ending is not State.EXPIRED or failure.code == "not_started"):
        return failure.code, failure.reason
    if generation.delivery is not None:
        return "delivery_window_passed", "its outputs were not taken within the delivery window"
    return "deadline_passed", "the deadline passed"


def _code_of(generation: Generation) -> str | None:
    """Why it is refunded; None where the client stopped it."""
    match generation.ending:
        case State.REJECTED:
            assert isinstance(generation.settlement, CreditDeclined), "the decline that led here"
            return generation.settlement.reason
        case State.CANCELLED:
            return None
    return failure_of(generation)[0]


def _build_queued(generation: Generation, _: Trigger) -> GenerationQueued:
    request = generation.request
    return GenerationQueued(generation_id=request.generation_id, metadata=request.metadata, credits=generation.credits)


def ready_of(generation: Generation) -> GenerationReady:
    """The event that its outputs can be taken; for generations in DELIVERING."""
    assert generation.result is not None
    assert generation.delivery is not None, "every way into DELIVERING has a delivery window"
    result = generation.result
    return GenerationReady(
        generation_id=generation.request.generation_id,
        metadata=generation.request.metadata,
        outputs=result.outputs,
        made=result.delivered,
        deliver_by=generation.delivery.deliver_by,
        provider=result.provider,
        model=result.model,
        reused=result.reused,
    )


def _build_discard(generation: Generation, trigger: Trigger) -> DiscardRender:
    """All outputs, or those that were not delivered."""
    outputs = generation.result.outputs if generation.result and isinstance(trigger, PartDelivered) else ()
    cause: Literal["late", "undelivered", "delivered"]
    if isinstance(trigger, CapturedUnstored):
        cause = "delivered"
    else:
        cause = "undelivered" if generation.state is State.DELIVERING else "late"
    kept = tuple(output.key for output in outputs)
    return DiscardRender(generation_id=generation.request.generation_id, cause=cause, kept=kept)


def _build_rejected(generation: Generation, trigger: Trigger) -> GenerationRejected:
    assert isinstance(trigger, CreditDeclined)
    return GenerationRejected(
        generation_id=generation.request.generation_id,
        metadata=generation.request.metadata,
        reason=trigger.reason,
        required=trigger.required,
        available=trigger.available,
        cap=trigger.cap,
        quote_refusal=trigger.quote_refusal,
    )


def _build_succeeded(generation: Generation, trigger: Trigger) -> GenerationSucceeded:
    is_stored = not isinstance(trigger, CapturedUnstored)
    captured = trigger.captured if isinstance(trigger, CapturedUnstored) else trigger
    assert isinstance(captured, CreditCaptured)
    assert generation.result is not None
    return GenerationSucceeded(
        generation_id=generation.request.generation_id,
        metadata=generation.request.metadata,
        outputs=generation.result.outputs if is_stored else (),
        delivered=generation.result.delivered,
        captured=captured.captured,
        refunded=captured.refunded,
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
    DiscardRender: _build_discard,
    GenerationQueued: _build_queued,
    GenerationReady: lambda generation, _: ready_of(generation),
    GenerationRejected: _build_rejected,
    GenerationSucceeded: _build_succeeded,
}
"""One builder per message class; the saga's table names the classes."""
