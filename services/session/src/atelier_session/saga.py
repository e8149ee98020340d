"""The whole business on one screen: what a generation does on each trigger.

A pure function over one table. Three outcomes, all visible: a transition, a lost race (accepted, without effect), or
Poison (a dead letter). ``docs/design/saga.md`` shows the diagram that is generated from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from atelier_contracts import (
    CancelRender,
    CancelRequested,
    CaptureCredit,
    CreditCaptured,
    CreditDeclined,
    CreditDeducted,
    CreditRefunded,
    DiscardRender,
    GenerationCancelled,
    GenerationFailed,
    GenerationQueued,
    GenerationReady,
    GenerationRejected,
    GenerationRequested,
    GenerationSucceeded,
    OutputsDelivered,
    RefundCredit,
    RenderCompleted,
    RenderFailed,
    RenderStarted,
    RequestRender,
    ReserveCredit,
)
from atelier_contracts.message import GenerationMessage
from atelier_messaging import Poison
from atelier_session.deliveries import trigger_of_delivery
from atelier_session.generation import (
    AllDelivered,
    CapturedUnstored,
    ClientGone,
    DeadlinePassed,
    Generation,
    GracePassed,
    HoldCaptured,
    HoldGone,
    OutputsReady,
    PartDelivered,
    ResendDue,
    StartPassed,
    State,
    Timer,
    Trigger,
    Undeliverable,
    WindowPassed,
)
from atelier_session.message_builders import BUILDERS, failure_of
from atelier_session.step_data import remember


@dataclass(frozen=True, slots=True)
class SagaStep:
    """Moves to the state ``to`` and sends messages of these classes; ``ending`` is the end after the refund, where this
    step decides it."""

    to: State | None
    sends: tuple[type[GenerationMessage], ...] = ()
    ending: State | None = None


S = State
ENDING = None
"""As a step's target: the end that an earlier step has chosen, failed, cancelled or expired."""

RENDER_ENDS: Mapping[type, SagaStep] = {
    RenderCompleted: SagaStep(S.CAPTURING, (CaptureCredit,)),
    OutputsReady: SagaStep(S.DELIVERING, (GenerationReady,)),
    RenderFailed: SagaStep(S.REFUNDING, (RefundCredit,), ending=S.FAILED),
    CancelRequested: SagaStep(S.STOPPING, (CancelRender,), ending=S.CANCELLED),
    DeadlinePassed: SagaStep(S.STOPPING, (CancelRender,), ending=S.EXPIRED),
    # Straight to the refund: a completion that comes afterwards is a lost race and can capture nothing.
    ClientGone: SagaStep(S.REFUNDING, (CancelRender, RefundCredit), ending=S.CANCELLED),
}
DECLINED_AFTER_RESEND = SagaStep(S.REFUNDING, (RefundCredit,), ending=S.REJECTED)
"""A decline where the reservation was sent twice: the other one may yet hold credits, so a refund refuses it."""

SAGA: Mapping[State, Mapping[type, SagaStep]] = {
    S.NEW: {GenerationRequested: SagaStep(S.RESERVING, (ReserveCredit,))},
    S.RESERVING: {
        CreditDeducted: SagaStep(S.QUEUED, (RequestRender, GenerationQueued)),
        CreditDeclined: SagaStep(S.REJECTED, (GenerationRejected,)),
        CancelRequested: SagaStep(S.REFUNDING, (RefundCredit,), ending=S.CANCELLED),
        ClientGone: SagaStep(S.REFUNDING, (RefundCredit,), ending=S.CANCELLED),
        DeadlinePassed: SagaStep(S.REFUNDING, (RefundCredit,), ending=S.EXPIRED),
        StartPassed: SagaStep(S.REFUNDING, (RefundCredit,), ending=S.EXPIRED),
        ResendDue: SagaStep(S.RESERVING, (ReserveCredit,)),
    },
    S.QUEUED: {
        RenderStarted: SagaStep(S.RENDERING),
        **RENDER_ENDS,
        # Straight to the refund, as for a client that is gone: what starts too late costs nothing.
        StartPassed: SagaStep(S.REFUNDING, (CancelRender, RefundCredit), ending=S.EXPIRED),
        ResendDue: SagaStep(S.QUEUED, (RequestRender,)),
    },
    S.RENDERING: {**RENDER_ENDS, ResendDue: SagaStep(S.RENDERING, (RequestRender,))},
    S.STOPPING: {
        RenderCompleted: SagaStep(S.CAPTURING, (CaptureCredit,)),
        OutputsReady: SagaStep(S.REFUNDING, (RefundCredit, DiscardRender)),
        RenderFailed: SagaStep(S.REFUNDING, (RefundCredit,)),
        GracePassed: SagaStep(S.REFUNDING, (RefundCredit,)),
        ClientGone: SagaStep(S.REFUNDING, (RefundCredit,)),
    },
    S.DELIVERING: {  # charged on delivery alone
        OutputsDelivered: SagaStep(S.DELIVERING),
        AllDelivered: SagaStep(S.CAPTURING, (CaptureCredit,)),
        PartDelivered: SagaStep(S.CAPTURING, (CaptureCredit, DiscardRender)),
        WindowPassed: SagaStep(S.REFUNDING, (RefundCredit, DiscardRender), ending=S.EXPIRED),
        CancelRequested: SagaStep(S.REFUNDING, (RefundCredit, DiscardRender), ending=S.CANCELLED),
        ClientGone: SagaStep(S.REFUNDING, (RefundCredit, DiscardRender), ending=S.CANCELLED),
        Undeliverable: SagaStep(S.REFUNDING, (RefundCredit, DiscardRender), ending=S.FAILED),
        ResendDue: SagaStep(S.DELIVERING),  # the gateway has not said what was delivered; it is asked again
    },
    S.CAPTURING: {
        CreditCaptured: SagaStep(S.SUCCEEDED, (GenerationSucceeded,)),
        CapturedUnstored: SagaStep(S.SUCCEEDED, (GenerationSucceeded, DiscardRender)),
        ResendDue: SagaStep(S.CAPTURING, (CaptureCredit,)),
        HoldGone: SagaStep(S.REFUNDING, (RefundCredit, DiscardRender), ending=S.FAILED),
    },
    S.REFUNDING: {
        CreditRefunded: SagaStep(ENDING),  # sends GenerationFailed or GenerationCancelled, see _end
        ResendDue: SagaStep(S.REFUNDING, (RefundCredit,)),
        HoldCaptured: SagaStep(S.REFUNDING),
    },
}

TERMINAL = frozenset({S.REJECTED, S.SUCCEEDED, S.FAILED, S.CANCELLED, S.EXPIRED})

_RENDER = {RenderStarted, RenderCompleted, RenderFailed}
_AFTER_THE_RENDER: frozenset[type] = frozenset(
    {
        GenerationRequested,
        CreditDeducted,
        CreditDeclined,
        CancelRequested,
        ClientGone,
        Undeliverable,
        OutputsDelivered,
        *_RENDER,
    }
)
# A reservation that is sent twice may be both declined and deducted.
LOST_RACES: Mapping[State, frozenset[type]] = {
    S.RESERVING: frozenset({GenerationRequested}),
    S.QUEUED: frozenset({GenerationRequested, CreditDeducted, CreditDeclined}),
    S.RENDERING: frozenset({GenerationRequested, CreditDeducted, CreditDeclined, RenderStarted}),
    S.STOPPING: frozenset({GenerationRequested, CreditDeducted, CreditDeclined, RenderStarted, CancelRequested}),
    S.DELIVERING: frozenset({GenerationRequested, CreditDeducted, CreditDeclined, *_RENDER}),
    S.CAPTURING: _AFTER_THE_RENDER,
    S.REFUNDING: _AFTER_THE_RENDER,
}
"""What may arrive too late in each state: accepted, logged, counted, without effect. In a terminal state: anything."""

UNPAID = frozenset({S.REFUNDING, S.FAILED, S.CANCELLED, S.EXPIRED})
"""Where a completion arrives after the refund: it never captures, and render gets a command to discard the outputs."""

TIMERS: Mapping[State, type[Timer]] = {
    S.RESERVING: DeadlinePassed,
    S.QUEUED: DeadlinePassed,
    S.RENDERING: DeadlinePassed,
    S.STOPPING: GracePassed,
    S.DELIVERING: WindowPassed,
    S.CAPTURING: ResendDue,
    S.REFUNDING: ResendDue,
}
"""The timer of each state. Where it is the deadline, commands are sent again until then."""


@dataclass(frozen=True, slots=True)
class Transition:
    """The generation as it is now, and what is to be sent."""

    generation: Generation
    sends: tuple[GenerationMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class LostRace:
    """An earlier trigger has decided already: nothing changes. ``sends`` discards a render that was too slow."""

    state: State
    sends: tuple[GenerationMessage, ...] = ()


def decide(generation: Generation, trigger: Trigger, *, now: datetime) -> Transition | LostRace:
    """The effect of the trigger on the generation. Raises Poison when it makes no sense in its state."""
    trigger = trigger_of(generation, trigger, now=now)
    state = generation.state
    step = _step(generation, trigger)
    if step is None:
        if state in TERMINAL or type(trigger) in LOST_RACES.get(state, ()):
            return LostRace(state, _compensation(generation, trigger))
        raise Poison(f"{trigger.name} makes no sense while {state}")
    known = remember(replace(generation, ending=step.ending or generation.ending), trigger)
    if step.to is None:
        return _end(known, trigger)
    sends = tuple(BUILDERS[message](known, trigger) for message in step.sends)
    resends = known.resends + 1 if step.to is state and not isinstance(trigger, OutputsDelivered) else 0
    return Transition(replace(known, state=step.to, resends=resends), sends)


def due_timer(generation: Generation, *, now: datetime) -> Timer:
    """The trigger of the generation's one timer, which serves both its deadline and the resending of commands."""
    timer = TIMERS[generation.state]
    if timer is not DeadlinePassed or now >= generation.deadline_at:
        return timer()
    is_late = generation.start_by is not None and now >= generation.start_by
    return StartPassed() if is_late else ResendDue()


def end_of(generation: Generation) -> GenerationMessage | None:
    """The event that announced the end; None where billing's settlement is not stored. For ended generations."""
    settlement = generation.settlement
    match generation.state, settlement:
        case S.SUCCEEDED, CreditCaptured():
            return BUILDERS[GenerationSucceeded](
                generation, trigger_of(generation, settlement, now=generation.deadline_at)
            )
        case S.REJECTED, CreditDeclined():
            return BUILDERS[GenerationRejected](generation, settlement)
        case (S.FAILED | S.CANCELLED | S.EXPIRED) as ending, CreditRefunded():
            return _end(replace(generation, ending=ending), settlement).sends[0]
    return None


def _step(generation: Generation, trigger: Trigger) -> SagaStep | None:
    if generation.state is S.RESERVING and generation.resends and isinstance(trigger, CreditDeclined):
        return DECLINED_AFTER_RESEND
    return SAGA.get(generation.state, {}).get(type(trigger))


def trigger_of(generation: Generation, trigger: Trigger, *, now: datetime) -> Trigger:
    """The trigger that a message stands for: a cancel because the client is gone is one of its own, and so is what
    happens to a generation that is charged on delivery."""
    if isinstance(trigger, CancelRequested) and trigger.cause == "client_gone":
        trigger = ClientGone(trigger.delivered)
    if isinstance(trigger, CancelRequested) and trigger.cause == "undeliverable":
        trigger = Undeliverable(trigger.reason or "the client's bucket did not take them", trigger.delivered)
    window_s = generation.request.delivery_window_s
    match trigger:
        case RenderCompleted() if window_s is not None and OutputsReady in SAGA.get(generation.state, ()):
            return OutputsReady(trigger, now + timedelta(seconds=window_s))
        case CreditCaptured() if generation.request.spec.keep_s == 0 and window_s is not None:
            return CapturedUnstored(trigger)
        case OutputsDelivered() | WindowPassed() | CancelRequested() | ClientGone() | Undeliverable():
            return trigger_of_delivery(generation, trigger)
    return trigger


def _compensation(generation: Generation, trigger: Trigger) -> tuple[GenerationMessage, ...]:
    if generation.state in UNPAID and isinstance(trigger, RenderCompleted):
        return (DiscardRender(generation_id=generation.request.generation_id),)
    return ()


def _end(generation: Generation, trigger: Trigger) -> Transition:
    """The refund is complete: the generation reaches the end that was chosen when the refund was sent."""
    assert generation.ending is not None, "every way into REFUNDING chooses an ending"
    assert isinstance(trigger, CreditRefunded)
    id_, metadata = generation.request.generation_id, generation.request.metadata
    event: GenerationMessage
    if generation.ending is State.REJECTED:
        assert generation.settlement is not None, "the decline that led here"
        event = BUILDERS[GenerationRejected](generation, generation.settlement)
    elif generation.ending is State.CANCELLED:
        event = GenerationCancelled(generation_id=id_, metadata=metadata, refunded=trigger.refunded)
    else:
        expired = generation.ending is State.EXPIRED
        code, reason = failure_of(generation)
        event = GenerationFailed(
            generation_id=id_,
            metadata=metadata,
            outcome="expired" if expired else "failed",
            code=code,
            reason=reason,
            refunded=trigger.refunded,
        )
    return Transition(replace(generation, state=generation.ending), (event,))
