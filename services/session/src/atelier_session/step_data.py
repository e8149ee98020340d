"""What a generation keeps of a trigger, for the steps of its saga that come later. Pure."""

from dataclasses import replace

from atelier_contracts import (
    CreditCaptured,
    CreditDeclined,
    CreditDeducted,
    CreditRefunded,
    OutputsDelivered,
    RenderCompleted,
    RenderFailed,
)
from atelier_session.deliveries import begin_delivery, remember_delivery
from atelier_session.generation import (
    AllDelivered,
    CapturedUnstored,
    Generation,
    HoldGone,
    OutputsReady,
    PartDelivered,
    StartPassed,
    State,
    Trigger,
    Undeliverable,
)


def remember(generation: Generation, trigger: Trigger) -> Generation:
    """Stores what later steps need."""
    match trigger:
        case CreditDeducted():
            return replace(generation, credits=trigger.credits)
        case RenderCompleted():
            return replace(generation, result=trigger)
        case OutputsReady():
            return begin_delivery(generation, trigger)
        case OutputsDelivered() | AllDelivered() | PartDelivered():
            return remember_delivery(generation, trigger)
        case RenderFailed():
            return replace(generation, failure=trigger)
        case CreditRefunded() if generation.ending is State.REJECTED:
            return generation
        case CreditCaptured() | CreditDeclined() | CreditRefunded():
            return replace(generation, settlement=trigger)
        case CapturedUnstored(captured):
            return replace(generation, settlement=captured)
        case Undeliverable(reason):
            return replace(generation, failure=_failure_of_delivery(generation, reason))
        case StartPassed():
            return replace(generation, failure=_failure_of_late_start(generation))
        case HoldGone():
            return replace(generation, failure=_failure_of_lost_hold(generation))
    return generation


def _failure_of_lost_hold(generation: Generation) -> RenderFailed:
    reason = "the credits held for it are gone, so nothing was charged and nothing is delivered"
    return RenderFailed(generation_id=generation.request.generation_id, code="unknown_outcome", reason=reason)


def _failure_of_late_start(generation: Generation) -> RenderFailed:
    reason = f"its render had not started within {generation.request.start_within_s} seconds"
    return RenderFailed(generation_id=generation.request.generation_id, code="not_started", reason=reason)


def _failure_of_delivery(generation: Generation, reason: str) -> RenderFailed:
    return RenderFailed(generation_id=generation.request.generation_id, code="delivery_failed", reason=reason)
