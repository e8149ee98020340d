"""Start deadlines: what has not started in time costs nothing, what has is left alone."""

from datetime import timedelta

import pytest

from atelier_contracts import (
    CancelRender,
    CreditRefunded,
    DiscardRender,
    GenerationFailed,
    RenderCompleted,
)
from atelier_session.generation import Generation, ResendDue, StartPassed, State
from atelier_session.handlers import Handlers
from atelier_session.saga import LostRace, Transition, due_timer
from atelier_session.settings import Settings

from .saga_cases import ID, NOW, REQUEST, TRIGGERS, decide, refund

SOON = REQUEST.model_copy(update={"start_within_s": 60})


@pytest.mark.parametrize(("at", "stops"), [(State.RESERVING, ()), (State.QUEUED, (CancelRender(generation_id=ID),))])
def test_what_has_not_started_in_time_is_refunded_whatever_comes_afterwards(
    at: State, stops: tuple[CancelRender, ...]
) -> None:
    completed = next(trigger for trigger in TRIGGERS if isinstance(trigger, RenderCompleted))
    refunded = next(trigger for trigger in TRIGGERS if isinstance(trigger, CreditRefunded))
    before = Generation(SOON, deadline_at=NOW + timedelta(seconds=840), state=at)
    clock = due_timer(before, now=NOW)

    late = decide(before, clock)
    assert isinstance(late, Transition)
    end = decide(late.generation, refunded)

    assert isinstance(clock, StartPassed)
    assert late.sends == (*stops, refund("expired", "not_started"))
    assert decide(late.generation, completed) == LostRace(State.REFUNDING, (DiscardRender(generation_id=ID),))
    assert isinstance(end, Transition)
    assert isinstance(end.sends[0], GenerationFailed)
    assert (end.sends[0].outcome, end.sends[0].code) == ("expired", "not_started")
    assert "60 seconds" in end.sends[0].reason


@pytest.mark.parametrize("state", [State.RENDERING, State.STOPPING, State.CAPTURING])
def test_what_has_started_has_no_start_deadline_any_more(state: State) -> None:
    started = Generation(SOON, deadline_at=NOW + timedelta(seconds=1), state=state)

    assert started.start_by is None
    assert not isinstance(due_timer(started, now=NOW), StartPassed)


def test_a_start_deadline_is_counted_like_the_deadline_and_is_the_next_timer() -> None:
    settings = Settings.model_construct(session_stop_grace_s=30.0, session_resend_s=100.0)
    waiting = Generation(SOON, deadline_at=NOW + timedelta(seconds=900), state=State.QUEUED)

    assert waiting.start_by == NOW + timedelta(seconds=60)
    assert Handlers(settings)._timer(waiting, NOW) == waiting.start_by
    assert isinstance(due_timer(waiting, now=NOW + timedelta(seconds=59)), ResendDue)
