"""Builds each message that the saga sends, from the generation and the trigger."""

from collections.abc import Callable, Mapping

from atelier_contracts import (
    CancelRender,
    CaptureCredit,
    CreditCaptured,
    CreditDeclined,
    DiscardRender,
    GenerationQueued,
    GenerationRejected,
    GenerationSucceeded,
    RefundCredit,
    RequestRender,
    ReserveCredit,
)
from atelier_contracts.message import GenerationMessage
from atelier_session.generation import Generation, ResendDue, Trigger

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
    return ReserveCredit(generation_id=request.generation_id, owner=request.owner, work=request.work)


def _build_capture(generation: Generation, _: Trigger) -> CaptureCredit:
    assert generation.result is not None, "every way into CAPTURING has a result"
    result = generation.result
    return CaptureCredit(
        generation_id=generation.request.generation_id, delivered=result.delivered, reused=result.reused
    )


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


BUILDERS: Mapping[type[GenerationMessage], Builder] = {
    ReserveCredit: _build_reserve,
    RequestRender: _build_request_render,
    CaptureCredit: _build_capture,
    RefundCredit: lambda generation, _: RefundCredit(generation_id=generation.request.generation_id),
    CancelRender: lambda generation, _: CancelRender(generation_id=generation.request.generation_id),
    DiscardRender: lambda generation, _: DiscardRender(generation_id=generation.request.generation_id),
    GenerationQueued: _build_queued,
    GenerationRejected: _build_rejected,
    GenerationSucceeded: _build_succeeded,
}
"""One builder per message class; the saga's table names the classes."""
