"""How each message the saga sends is made from what the saga knows."""

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
from atelier_session.generation import Generation, Heard, ResendDue

Builder = Callable[[Generation, Heard], GenerationMessage]


def _request_render(generation: Generation, heard: Heard) -> RequestRender:
    request = generation.request
    return RequestRender(
        generation_id=request.generation_id,
        owner=request.owner,
        spec=request.spec,
        deadline_at=generation.deadline_at,
        again=isinstance(heard, ResendDue),
    )


def _reserve(generation: Generation, _: Heard) -> ReserveCredit:
    request = generation.request
    return ReserveCredit(generation_id=request.generation_id, owner=request.owner, work=request.work)


def _capture(generation: Generation, _: Heard) -> CaptureCredit:
    assert generation.result is not None, "every way into CAPTURING has a result"
    result = generation.result
    return CaptureCredit(
        generation_id=generation.request.generation_id, delivered=result.delivered, reused=result.reused
    )


def _queued(generation: Generation, _: Heard) -> GenerationQueued:
    request = generation.request
    return GenerationQueued(generation_id=request.generation_id, metadata=request.metadata, credits=generation.credits)


def _rejected(generation: Generation, heard: Heard) -> GenerationRejected:
    assert isinstance(heard, CreditDeclined)
    return GenerationRejected(
        generation_id=generation.request.generation_id,
        metadata=generation.request.metadata,
        reason=heard.reason,
        required=heard.required,
        available=heard.available,
    )


def _succeeded(generation: Generation, heard: Heard) -> GenerationSucceeded:
    assert isinstance(heard, CreditCaptured)
    assert generation.result is not None
    return GenerationSucceeded(
        generation_id=generation.request.generation_id,
        metadata=generation.request.metadata,
        outputs=generation.result.outputs,
        delivered=generation.result.delivered,
        captured=heard.captured,
        refunded=heard.refunded,
        provider=generation.result.provider,
        model=generation.result.model,
        reused=generation.result.reused,
    )


BUILD: Mapping[type[GenerationMessage], Builder] = {
    ReserveCredit: _reserve,
    RequestRender: _request_render,
    CaptureCredit: _capture,
    RefundCredit: lambda generation, _: RefundCredit(generation_id=generation.request.generation_id),
    CancelRender: lambda generation, _: CancelRender(generation_id=generation.request.generation_id),
    DiscardRender: lambda generation, _: DiscardRender(generation_id=generation.request.generation_id),
    GenerationQueued: _queued,
    GenerationRejected: _rejected,
    GenerationSucceeded: _succeeded,
}
"""One builder a message kind; the saga's table names the kinds."""
