"""Charged on delivery: what the saga charges, refunds and withdraws, on the table itself."""

from dataclasses import replace
from datetime import timedelta

import pytest

from atelier_contracts import (
    CancelRequested,
    CaptureCredit,
    CreditCaptured,
    CreditRefunded,
    DiscardRender,
    GenerationFailed,
    GenerationReady,
    GenerationSucceeded,
    OutputsDelivered,
    RefundCredit,
)
from atelier_messaging import Poison
from atelier_session import saga
from atelier_session.generation import State, Trigger, WindowPassed
from atelier_session.saga import LostRace, Transition

from .saga_cases import FETCHED, ID, NOW, PICTURES, READY, decide, generation, on_delivery

FIRST, SECOND = FETCHED
GONE = CancelRequested(generation_id=ID, cause="client_gone")
REFUSED = CancelRequested(generation_id=ID, cause="undeliverable", reason="the bucket answered 403")
CLOSED = [WindowPassed(), CancelRequested(generation_id=ID), GONE, REFUSED]
CAPTURED = CreditCaptured(generation_id=ID, captured=1, refunded=1)


def delivered(*outputs: object) -> OutputsDelivered:
    return OutputsDelivered.model_validate({"generation_id": ID, "delivered": outputs})


def test_what_is_rendered_waits_for_its_delivery_and_is_charged_by_nothing() -> None:
    outcome = decide(on_delivery(State.RENDERING), READY)

    assert isinstance(outcome, Transition)
    assert outcome.generation.state is State.DELIVERING
    (ready,) = outcome.sends
    assert isinstance(ready, GenerationReady)
    assert (ready.outputs, ready.made, ready.deliver_by) == (PICTURES, 2, NOW + timedelta(seconds=600))


def test_without_the_wish_for_it_nothing_waits_for_a_delivery() -> None:
    outcome = decide(generation(State.RENDERING), READY)

    assert isinstance(outcome, Transition)
    assert outcome.generation.state is State.CAPTURING


def test_it_is_charged_when_each_output_was_delivered_and_the_receipt_says_how() -> None:
    part = decide(on_delivery(State.DELIVERING), delivered(SECOND))
    assert isinstance(part, Transition)
    whole = decide(part.generation, delivered(FIRST.model_copy(update={"how": "webhook"})))

    assert (part.generation.state, part.sends) == (State.DELIVERING, ())
    assert isinstance(whole, Transition)
    assert whole.generation.state is State.CAPTURING
    (capture,) = whole.sends
    assert isinstance(capture, CaptureCredit)
    assert capture.delivered == 2
    assert capture.end is not None
    assert [each.delivered_by for each in capture.end.outputs] == ["webhook", "fetched"]


def test_a_delivery_that_is_said_twice_is_one() -> None:
    later = SECOND.model_copy(update={"how": "acknowledged", "at": NOW + timedelta(hours=1)})

    again = decide(on_delivery(State.DELIVERING, SECOND), delivered(later))

    assert isinstance(again, Transition)
    assert again.generation == on_delivery(State.DELIVERING, SECOND)


@pytest.mark.parametrize("closing", CLOSED, ids=lambda trigger: trigger.name)
def test_what_nobody_has_taken_is_refunded_and_withdrawn(closing: Trigger) -> None:
    closed = decide(on_delivery(State.DELIVERING), closing)
    assert isinstance(closed, Transition)
    refund, discard = closed.sends
    end = decide(closed.generation, CreditRefunded(generation_id=ID, refunded=2))

    assert isinstance(refund, RefundCredit)
    assert discard == DiscardRender(generation_id=ID, cause="undelivered")
    assert isinstance(end, Transition)
    if isinstance(closing, WindowPassed):
        assert isinstance(end.sends[0], GenerationFailed)
        assert (end.sends[0].outcome, end.sends[0].code) == ("expired", "delivery_window_passed")
        assert refund.end is not None
        assert refund.end.code == "delivery_window_passed"
    elif closing is REFUSED:
        assert isinstance(end.sends[0], GenerationFailed)
        assert (end.sends[0].outcome, end.sends[0].code) == ("failed", "delivery_failed")
        assert end.sends[0].reason == "the bucket answered 403"
        assert refund.end is not None
        assert refund.end.code == "delivery_failed"
    else:
        assert end.generation.state is State.CANCELLED


@pytest.mark.parametrize("closing", CLOSED, ids=lambda trigger: trigger.name)
def test_of_what_was_taken_in_part_the_part_is_charged_and_the_rest_withdrawn(closing: Trigger) -> None:
    closed = decide(on_delivery(State.DELIVERING, SECOND), closing)
    assert isinstance(closed, Transition)
    capture, discard = closed.sends
    end = decide(closed.generation, CAPTURED)

    assert isinstance(capture, CaptureCredit)
    assert capture.delivered == 1
    assert discard == DiscardRender(generation_id=ID, cause="undelivered", kept=(PICTURES[1].key,))
    assert isinstance(end, Transition)
    assert isinstance(end.sends[0], GenerationSucceeded)
    assert (end.sends[0].outputs, end.sends[0].delivered) == (PICTURES[1:], 1)


def test_where_nothing_is_to_be_stored_the_outputs_are_deleted_once_they_are_charged() -> None:
    capturing = replace(on_delivery(State.CAPTURING, FIRST, SECOND), result=READY)
    spec = capturing.request.spec.model_copy(update={"keep_s": 0})
    unstored = replace(capturing, request=capturing.request.model_copy(update={"spec": spec}))

    end = decide(unstored, CAPTURED)

    assert isinstance(end, Transition)
    told, discard = end.sends
    assert isinstance(told, GenerationSucceeded)
    assert (told.outputs, told.delivered, told.captured) == ((), 2, CAPTURED.captured)
    assert discard == DiscardRender(generation_id=ID, cause="delivered")
    assert saga.end_of(end.generation) == told
    assert [type(sent) for sent in decide(capturing, CAPTURED).sends] == [GenerationSucceeded]


@pytest.mark.parametrize("closing", [WindowPassed(FETCHED), CancelRequested(generation_id=ID, delivered=FETCHED)])
def test_what_was_delivered_is_charged_although_its_message_was_lost(closing: Trigger) -> None:
    outcome = decide(on_delivery(State.DELIVERING), closing)

    assert isinstance(outcome, Transition)
    assert outcome.generation.state is State.CAPTURING
    assert [type(sent) for sent in outcome.sends] == [CaptureCredit]


def test_an_output_that_was_never_made_is_not_delivered() -> None:
    outcome = decide(on_delivery(State.DELIVERING), WindowPassed((FIRST.model_copy(update={"output": 7}),)))

    assert isinstance(outcome, Transition)
    assert outcome.generation.state is State.REFUNDING


@pytest.mark.parametrize("state", [State.CAPTURING, State.REFUNDING, State.SUCCEEDED, State.EXPIRED])
def test_a_delivery_that_comes_too_late_changes_nothing(state: State) -> None:
    late = replace(on_delivery(State.DELIVERING), state=state, ending=State.EXPIRED)

    assert decide(late, delivered(FIRST)) == LostRace(state)


def test_a_stop_that_loses_to_the_render_delivers_and_charges_nothing() -> None:
    stopping = replace(on_delivery(), state=State.STOPPING, ending=State.CANCELLED)

    outcome = decide(stopping, READY)

    assert isinstance(outcome, Transition)
    assert outcome.generation.state is State.REFUNDING
    assert [type(sent) for sent in outcome.sends] == [RefundCredit, DiscardRender]


@pytest.mark.parametrize("state", [State.RESERVING, State.QUEUED, State.RENDERING, State.STOPPING])
def test_a_delivery_of_what_is_not_made_is_a_dead_letter(state: State) -> None:
    with pytest.raises(Poison, match="makes no sense"):
        decide(generation(state), delivered(FIRST))
