"""The whole business on one screen: what a generation does when it hears something.

A pure function over one table. Three outcomes, all visible: a transition, a lost race (accepted, without effect), or
Poison (a dead letter). ``services/README.md`` shows the diagram that is generated from it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

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

SAGA: Mapping[State, Mapping[type, Step]] = {
    S.NEW: {GenerationRequested: Step(S.RESERVING, (ReserveCredit,))},
    S.RESERVING: {
        CreditDeducted: Step(S.QUEUED, (RequestRender, GenerationQueued)),
        CreditDeclined: Step(S.REJECTED, (GenerationRejected,)),
        CancelRequested: Step(S.REFUNDING, (RefundCredit,), ending=S.CANCELLED),
        ClientGone: Step(S.REFUNDING, (RefundCredit,), ending=S.CANCELLED),
        DeadlinePassed: Step(S.REFUNDING, (RefundCredit,), ending=S.EXPIRED),
    },
    S.QUEUED: {RenderStarted: Step(S.RENDERING), **RENDER_ENDS},
    S.RENDERING: RENDER_ENDS,
    S.STOPPING: {
        RenderCompleted: Step(S.CAPTURING, (CaptureCredit,)),
        RenderFailed: Step(S.REFUNDING, (RefundCredit,)),
        GracePassed: Step(S.REFUNDING, (RefundCredit,)),
        ClientGone: Step(S.REFUNDING, (RefundCredit,)),
    },
    S.CAPTURING: {
        CreditCaptured: Step(S.SUCCEEDED, (GenerationSucceeded,)),
        ResendDue: Step(S.CAPTURING, (CaptureCredit,)),
    },
    S.REFUNDING: {
        CreditRefunded: Step(ENDING),  # sends GenerationFailed or GenerationCancelled, see _end
        ResendDue: Step(S.REFUNDING, (RefundCredit,)),
    },
}

TERMINAL = frozenset({S.REJECTED, S.SUCCEEDED, S.FAILED, S.CANCELLED, S.EXPIRED})

_RENDER = {RenderStarted, RenderCompleted, RenderFailed}
LOST_RACES: Mapping[State, frozenset[type]] = {
    S.RESERVING: frozenset({GenerationRequested}),
    S.QUEUED: frozenset({GenerationRequested, CreditDeducted}),
    S.RENDERING: frozenset({GenerationRequested, CreditDeducted, RenderStarted}),
    S.STOPPING: frozenset({GenerationRequested, CreditDeducted, RenderStarted, CancelRequested}),
    S.CAPTURING: frozenset({GenerationRequested, CreditDeducted, CancelRequested, ClientGone, *_RENDER}),
    S.REFUNDING: frozenset(
        {GenerationRequested, CreditDeducted, CreditDeclined, CancelRequested, ClientGone, *_RENDER}
    ),
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
"""Which clock runs while in a state."""


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
    step = SAGA.get(state, {}).get(type(heard))
    if step is None:
        if state in TERMINAL or type(heard) in LOST_RACES.get(state, ()):
            return LostRace(state, _told_of_losing(generation, heard))
        raise Poison(f"{heard.name} makes no sense while {state}")
    known = _learn(replace(generation, ending=step.ending or generation.ending), heard)
    if step.to is None:
        return _end(known, heard)
    return Transition(replace(known, state=step.to), tuple(BUILD[kind](known, heard) for kind in step.sends))


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
    return generation


def _end(generation: Generation, heard: Heard) -> Transition:
    """The refund is done: the generation reaches the end that was chosen when it was ordered."""
    assert generation.ending is not None, "every way into REFUNDING chooses an ending"
    assert isinstance(heard, CreditRefunded)
    id_ = generation.request.generation_id
    event: GenerationMessage
    if generation.ending is State.CANCELLED:
        event = GenerationCancelled(generation_id=id_, refunded=heard.refunded)
    else:
        expired = generation.ending is State.EXPIRED
        code = "deadline_passed" if expired or not generation.failure else generation.failure.code
        reason = "the deadline passed" if expired or not generation.failure else generation.failure.reason
        event = GenerationFailed(
            generation_id=id_,
            outcome="expired" if expired else "failed",
            code=code,
            reason=reason,
            refunded=heard.refunded,
        )
    return Transition(replace(generation, state=generation.ending), (event,))
