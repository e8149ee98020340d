"""The whole business on one screen: what a generation does when it hears something.

A pure function over one table. Three outcomes, all visible: a transition, a lost race (accepted, without effect), or
Poison (a dead letter). ``docs/design/saga.md`` shows the diagram that is generated from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

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
    GenerationRejected,
    GenerationRequested,
    GenerationSucceeded,
    RefundCredit,
    RenderCompleted,
    RenderFailed,
    RenderStarted,
    RequestRender,
    ReserveCredit,
)
from atelier_contracts.message import GenerationMessage
from atelier_messaging import Poison
from atelier_session.generation import (
    ClientGone,
    DeadlinePassed,
    Generation,
    GracePassed,
    Heard,
    HoldCaptured,
    HoldGone,
    ResendDue,
    State,
    Timer,
)
from atelier_session.sending import BUILD


@dataclass(frozen=True, slots=True)
class Step:
    """Becomes ``to`` and sends these; ``ending`` is the end that a refund will lead to, where this step decides it."""

    to: State | None
    sends: tuple[type[GenerationMessage], ...] = ()
    ending: State | None = None


S = State
ENDING = None
"""As a step's target: the end that an earlier step has chosen, failed, cancelled or expired."""

RENDER_ENDS: Mapping[type, Step] = {
    RenderCompleted: Step(S.CAPTURING, (CaptureCredit,)),
    RenderFailed: Step(S.REFUNDING, (RefundCredit,), ending=S.FAILED),
    CancelRequested: Step(S.STOPPING, (CancelRender,), ending=S.CANCELLED),
    DeadlinePassed: Step(S.STOPPING, (CancelRender,), ending=S.EXPIRED),
    # Straight to the refund: a completion that comes afterwards is a lost race and can capture nothing.
    ClientGone: Step(S.REFUNDING, (CancelRender, RefundCredit), ending=S.CANCELLED),
}
DECLINED_AT_LAST = Step(S.REFUNDING, (RefundCredit,), ending=S.REJECTED)
"""A decline where the reservation was sent twice: the other one may yet hold credits, so a refund refuses it."""

SAGA: Mapping[State, Mapping[type, Step]] = {
    S.NEW: {GenerationRequested: Step(S.RESERVING, (ReserveCredit,))},
    S.RESERVING: {
        CreditDeducted: Step(S.QUEUED, (RequestRender, GenerationQueued)),
        CreditDeclined: Step(S.REJECTED, (GenerationRejected,)),
        CancelRequested: Step(S.REFUNDING, (RefundCredit,), ending=S.CANCELLED),
        ClientGone: Step(S.REFUNDING, (RefundCredit,), ending=S.CANCELLED),
        DeadlinePassed: Step(S.REFUNDING, (RefundCredit,), ending=S.EXPIRED),
        ResendDue: Step(S.RESERVING, (ReserveCredit,)),
    },
    S.QUEUED: {RenderStarted: Step(S.RENDERING), **RENDER_ENDS, ResendDue: Step(S.QUEUED, (RequestRender,))},
    S.RENDERING: {**RENDER_ENDS, ResendDue: Step(S.RENDERING, (RequestRender,))},
    S.STOPPING: {
        RenderCompleted: Step(S.CAPTURING, (CaptureCredit,)),
        RenderFailed: Step(S.REFUNDING, (RefundCredit,)),
        GracePassed: Step(S.REFUNDING, (RefundCredit,)),
        ClientGone: Step(S.REFUNDING, (RefundCredit,)),
    },
    S.CAPTURING: {
        CreditCaptured: Step(S.SUCCEEDED, (GenerationSucceeded,)),
        ResendDue: Step(S.CAPTURING, (CaptureCredit,)),
        HoldGone: Step(S.REFUNDING, (RefundCredit, DiscardRender), ending=S.FAILED),
    },
    S.REFUNDING: {
        CreditRefunded: Step(ENDING),  # sends GenerationFailed or GenerationCancelled, see _end
        ResendDue: Step(S.REFUNDING, (RefundCredit,)),
        HoldCaptured: Step(S.REFUNDING),
    },
}

TERMINAL = frozenset({S.REJECTED, S.SUCCEEDED, S.FAILED, S.CANCELLED, S.EXPIRED})

_RENDER = {RenderStarted, RenderCompleted, RenderFailed}
_AFTER_THE_RENDER: frozenset[type] = frozenset(
    {GenerationRequested, CreditDeducted, CreditDeclined, CancelRequested, ClientGone, *_RENDER}
)
# A reservation that is sent twice may be both declined and deducted.
LOST_RACES: Mapping[State, frozenset[type]] = {
    S.RESERVING: frozenset({GenerationRequested}),
    S.QUEUED: frozenset({GenerationRequested, CreditDeducted, CreditDeclined}),
    S.RENDERING: frozenset({GenerationRequested, CreditDeducted, CreditDeclined, RenderStarted}),
    S.STOPPING: frozenset({GenerationRequested, CreditDeducted, CreditDeclined, RenderStarted, CancelRequested}),
    S.CAPTURING: _AFTER_THE_RENDER,
    S.REFUNDING: _AFTER_THE_RENDER,
}
"""What may come too late in each state: accepted, logged, counted, without effect. In a terminal state: anything."""

UNPAID = frozenset({S.REFUNDING, S.FAILED, S.CANCELLED, S.EXPIRED})
"""Where a completion comes after its refund: it never captures, and render is told to throw away what it made."""

TIMERS: Mapping[State, type[Timer]] = {
    S.RESERVING: DeadlinePassed,
    S.QUEUED: DeadlinePassed,
    S.RENDERING: DeadlinePassed,
    S.STOPPING: GracePassed,
    S.CAPTURING: ResendDue,
    S.REFUNDING: ResendDue,
}
"""Which clock ends a state. Where it is the deadline, commands are sent again until then."""


@dataclass(frozen=True, slots=True)
class Transition:
    """The generation as it is now, and what is to be sent."""

    generation: Generation
    sends: tuple[GenerationMessage, ...] = ()


@dataclass(frozen=True, slots=True)
class LostRace:
    """Something faster has decided already; nothing changes, and only a renderer that was too slow is told."""

    state: State
    sends: tuple[GenerationMessage, ...] = ()


def decide(generation: Generation, heard: Heard) -> Transition | LostRace:
    """What hearing this does to the generation. Raises Poison when it makes no sense in its state."""
    heard = understood(heard)
    state = generation.state
    step = _step(generation, heard)
    if step is None:
        if state in TERMINAL or type(heard) in LOST_RACES.get(state, ()):
            return LostRace(state, _told_of_losing(generation, heard))
        raise Poison(f"{heard.name} makes no sense while {state}")
    known = _learn(replace(generation, ending=step.ending or generation.ending), heard)
    if step.to is None:
        return _end(known, heard)
    sends = tuple(BUILD[kind](known, heard) for kind in step.sends)
    return Transition(replace(known, state=step.to, resends=known.resends + 1 if step.to is state else 0), sends)


def fired(generation: Generation, *, now: datetime) -> Timer:
    """What the clock says that has run out: there is one a generation, for the deadline and for what is sent again."""
    timer = TIMERS[generation.state]
    return ResendDue() if timer is DeadlinePassed and now < generation.deadline_at else timer()


def end_of(generation: Generation) -> GenerationMessage | None:
    """The end as it was told; None where billing's last word on it is not known. For generations that have ended."""
    settlement = generation.settlement
    match generation.state, settlement:
        case S.SUCCEEDED, CreditCaptured():
            return BUILD[GenerationSucceeded](generation, settlement)
        case S.REJECTED, CreditDeclined():
            return BUILD[GenerationRejected](generation, settlement)
        case (S.FAILED | S.CANCELLED | S.EXPIRED) as ending, CreditRefunded():
            return _end(replace(generation, ending=ending), settlement).sends[0]
    return None


def _step(generation: Generation, heard: Heard) -> Step | None:
    if generation.state is S.RESERVING and generation.resends and isinstance(heard, CreditDeclined):
        return DECLINED_AT_LAST
    return SAGA.get(generation.state, {}).get(type(heard))


def understood(heard: Heard) -> Heard:
    """What a message means to the saga: a cancel without anybody left to take the result is a word of its own."""
    return ClientGone() if isinstance(heard, CancelRequested) and heard.cause == "client_gone" else heard


def _told_of_losing(generation: Generation, heard: Heard) -> tuple[GenerationMessage, ...]:
    if generation.state in UNPAID and isinstance(heard, RenderCompleted):
        return (DiscardRender(generation_id=generation.request.generation_id),)
    return ()


def _learn(generation: Generation, heard: Heard) -> Generation:
    """Keeps what later steps need to know."""
    match heard:
        case CreditDeducted():
            return replace(generation, credits=heard.credits)
        case RenderCompleted():
            return replace(generation, result=heard)
        case RenderFailed():
            return replace(generation, failure=heard)
        case CreditRefunded() if generation.ending is State.REJECTED:
            return generation
        case CreditCaptured() | CreditDeclined() | CreditRefunded():
            return replace(generation, settlement=heard)
        case HoldGone():
            return replace(generation, failure=_lost(generation))
    return generation


def _lost(generation: Generation) -> RenderFailed:
    reason = "the credits held for it are gone, so nothing was charged and nothing is delivered"
    return RenderFailed(generation_id=generation.request.generation_id, code="unknown_outcome", reason=reason)


def _end(generation: Generation, heard: Heard) -> Transition:
    """The refund is done: the generation reaches the end that was chosen when it was ordered."""
    assert generation.ending is not None, "every way into REFUNDING chooses an ending"
    assert isinstance(heard, CreditRefunded)
    id_, metadata = generation.request.generation_id, generation.request.metadata
    event: GenerationMessage
    if generation.ending is State.REJECTED:
        assert generation.settlement is not None, "the decline that led here"
        event = BUILD[GenerationRejected](generation, generation.settlement)
    elif generation.ending is State.CANCELLED:
        event = GenerationCancelled(generation_id=id_, metadata=metadata, refunded=heard.refunded)
    else:
        expired = generation.ending is State.EXPIRED
        code = "deadline_passed" if expired or not generation.failure else generation.failure.code
        reason = "the deadline passed" if expired or not generation.failure else generation.failure.reason
        event = GenerationFailed(
            generation_id=id_,
            metadata=metadata,
            outcome="expired" if expired else "failed",
            code=code,
            reason=reason,
            refunded=heard.refunded,
        )
    return Transition(replace(generation, state=generation.ending), (event,))
