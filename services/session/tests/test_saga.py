"""The saga's promises, on the table itself and over every order in which messages can come."""

from collections import deque
from dataclasses import replace
from datetime import timedelta

import pytest

from atelier_contracts import (
    CancelRender,
    CancelRequested,
    CaptureCredit,
    CreditCaptured,
    CreditDeclined,
    CreditRefunded,
    DeliveredOutput,
    DiscardRender,
    GenerationEnd,
    GenerationRejected,
    GenerationSucceeded,
    RefundCredit,
    RenderCompleted,
    RenderFailed,
    RequestRender,
    ReserveCredit,
)
from atelier_contracts.receipts import EndOutcome
from atelier_contracts.session import GenerationFact
from atelier_contracts.value_objects import Metadata
from atelier_messaging import Poison
from atelier_session.generation import DeadlinePassed, Generation, HoldGone, State, Trigger
from atelier_session.saga import LOST_RACES, SAGA, TERMINAL, TIMERS, LostRace, Transition, due_timer, end_of
from atelier_session.settings import Settings

from .saga_cases import ID, ON_DELIVERY, OWNER, REQUEST, TRIGGERS, decide, generation, on_delivery, refund


def triggers_of(condition: Generation) -> list[Trigger]:
    return TRIGGERS if condition.request.delivery_window_s is None else ON_DELIVERY


def reach_all() -> dict[Generation, list[type]]:
    """Every condition of a generation that any order of triggers leads to, with the messages sent on one way there."""
    found: dict[Generation, list[type]] = {generation(): [], on_delivery(): []}
    waiting = deque(found)
    while waiting:
        here = waiting.popleft()
        for trigger in triggers_of(here):
            try:
                outcome = decide(here, trigger)
            except Poison:
                continue
            # Sent again twice or ten times: it is the same condition but for the count.
            again = isinstance(outcome, Transition) and outcome.generation.resends > 1
            if isinstance(outcome, Transition) and not again and outcome.generation not in found:
                found[outcome.generation] = [*found[here], *(type(m) for m in outcome.sends)]
                waiting.append(outcome.generation)
    return found


def test_every_state_of_the_table_can_be_reached_and_no_other() -> None:
    assert {g.state for g in reach_all()} == set(State)


def test_every_state_that_is_not_an_end_has_a_clock_that_moves_it() -> None:
    for state in set(State) - TERMINAL - {State.NEW}:
        assert isinstance(decide(next(g for g in reach_all() if g.state is state), TIMERS[state]()), Transition)


def test_every_fact_that_is_told_repeats_the_clients_metadata() -> None:
    order = Metadata(order="4711")
    facts: list[GenerationFact] = []
    for condition in reach_all():
        for trigger in triggers_of(condition):
            try:
                outcome = decide(
                    replace(condition, request=condition.request.model_copy(update={"metadata": order})), trigger
                )
            except Poison:
                continue
            facts += [sent for sent in outcome.sends if isinstance(sent, GenerationFact)]

    assert {type(fact) for fact in facts} == set(GenerationFact.__subclasses__())
    assert all(fact.metadata == order for fact in facts)


def test_no_end_is_ever_left() -> None:
    for ended in (g for g in reach_all() if g.state in TERMINAL):
        for trigger in TRIGGERS:
            outcome = decide(ended, trigger)
            assert isinstance(outcome, LostRace)
            assert outcome.state is ended.state
            assert {type(sent) for sent in outcome.sends} <= {DiscardRender}


def test_a_generation_succeeds_only_after_a_capture_and_is_never_captured_otherwise() -> None:
    for condition, sent in reach_all().items():
        if condition.state is State.SUCCEEDED:
            assert CaptureCredit in sent
            assert RefundCredit not in sent
        if condition.state in TERMINAL - {State.SUCCEEDED}:
            assert CaptureCredit not in sent
            assert GenerationSucceeded not in sent


@pytest.mark.parametrize("late", [State.REFUNDING, State.FAILED, State.CANCELLED, State.EXPIRED])
def test_a_completion_after_the_refund_was_ordered_never_captures_and_is_thrown_away(late: State) -> None:
    completed = next(trigger for trigger in TRIGGERS if isinstance(trigger, RenderCompleted))

    outcome = decide(replace(generation(late), ending=State.EXPIRED), completed)

    assert outcome == LostRace(late, (DiscardRender(generation_id=ID),))


def test_a_completion_that_is_said_twice_is_not_thrown_away() -> None:
    completed = next(trigger for trigger in TRIGGERS if isinstance(trigger, RenderCompleted))

    for paid in (State.CAPTURING, State.SUCCEEDED):
        assert decide(generation(paid), completed) == LostRace(paid)


def test_a_decline_of_a_reservation_that_was_sent_twice_is_made_sure_of_by_a_refund() -> None:
    declined = next(trigger for trigger in TRIGGERS if isinstance(trigger, CreditDeclined))
    refunded = next(trigger for trigger in TRIGGERS if isinstance(trigger, CreditRefunded))

    first = decide(replace(generation(State.RESERVING), resends=1), declined)
    assert isinstance(first, Transition)
    end = decide(first.generation, refunded)

    assert first.sends == (refund("rejected", "insufficient_credits"),)
    assert isinstance(end, Transition)
    assert end.generation.state is State.REJECTED
    assert isinstance(end.sends[0], GenerationRejected)
    assert end.sends[0].reason == declined.reason


@pytest.mark.parametrize(
    ("at", "command"),
    [(State.RESERVING, ReserveCredit), (State.QUEUED, RequestRender), (State.RENDERING, RequestRender)],
)
def test_a_command_without_an_answer_is_sent_again_before_the_deadline(at: State, command: type) -> None:
    before = generation(at)
    clock = due_timer(before, now=before.deadline_at - timedelta(seconds=1))

    outcome = decide(before, clock)

    assert isinstance(outcome, Transition)
    assert [type(sent) for sent in outcome.sends] == [command]
    assert (outcome.generation.state, outcome.generation.resends) == (at, 1)
    assert isinstance(due_timer(before, now=before.deadline_at), DeadlinePassed)


def test_a_capture_without_a_hold_ends_without_a_charge_and_its_result_is_thrown_away() -> None:
    refunded = next(trigger for trigger in TRIGGERS if isinstance(trigger, CreditRefunded))

    gone = decide(generation(State.CAPTURING), HoldGone())
    assert isinstance(gone, Transition)
    end = decide(gone.generation, refunded)

    assert gone.sends == (refund("failed", "unknown_outcome"), DiscardRender(generation_id=ID))
    assert isinstance(end, Transition)
    assert end.generation.state is State.FAILED


def test_every_end_can_be_told_again_word_for_word() -> None:
    replayed = set()
    for condition in reach_all():
        for trigger in triggers_of(condition):
            if condition.state in TERMINAL:
                continue
            try:
                outcome = decide(condition, trigger)
            except Poison:
                continue
            if isinstance(outcome, Transition) and outcome.generation.state in TERMINAL:
                assert end_of(outcome.generation) == outcome.sends[0]
                replayed.add(outcome.generation.state)
    assert replayed == TERMINAL


def test_what_was_reused_is_captured_and_announced_as_reused() -> None:
    completed = next(trigger for trigger in TRIGGERS if isinstance(trigger, RenderCompleted))
    captured = next(trigger for trigger in TRIGGERS if isinstance(trigger, CreditCaptured))

    capturing = decide(generation(State.RENDERING), completed.model_copy(update={"reused": True}))
    assert isinstance(capturing, Transition)
    succeeded = decide(capturing.generation, captured)

    assert isinstance(succeeded, Transition)
    assert [sent.reused for sent in (*capturing.sends, *succeeded.sends)] == [True, True]  # type: ignore[attr-defined]


def test_a_completion_that_beats_the_stop_is_delivered_and_charged() -> None:
    stopping = replace(generation(State.STOPPING), ending=State.CANCELLED)
    completed = next(trigger for trigger in TRIGGERS if isinstance(trigger, RenderCompleted))

    outcome = decide(stopping, completed)

    assert isinstance(outcome, Transition)
    assert outcome.generation.state is State.CAPTURING
    end = GenerationEnd(
        owner=OWNER,
        kind="try_on",
        outcome="succeeded",
        outputs=(DeliveredOutput(sha256="00", content_type="image/png", size=1),),
        provider="local",
        request=REQUEST.record,
    )
    assert outcome.sends == (CaptureCredit(generation_id=ID, delivered=1, end=end),)


@pytest.mark.parametrize(
    ("ending", "code"), [("failed", "provider_failed"), ("expired", "deadline_passed"), ("cancelled", None)]
)
def test_the_refund_says_for_the_receipt_why_nothing_was_delivered(ending: EndOutcome, code: str | None) -> None:
    failed = next(trigger for trigger in TRIGGERS if isinstance(trigger, RenderFailed))
    state = State.RENDERING if ending == "failed" else State.STOPPING
    before = replace(generation(state), ending=None if ending == "failed" else State(ending))

    outcome = decide(before, failed)

    assert isinstance(outcome, Transition)
    assert outcome.sends == (refund(ending, code),)


GONE = CancelRequested(generation_id=ID, cause="client_gone")


@pytest.mark.parametrize("at", [State.RESERVING, State.QUEUED, State.RENDERING, State.STOPPING])
def test_a_client_that_is_gone_pays_nothing_even_when_the_render_completes_afterwards(at: State) -> None:
    completed = next(trigger for trigger in TRIGGERS if isinstance(trigger, RenderCompleted))
    refunded = next(trigger for trigger in TRIGGERS if isinstance(trigger, CreditRefunded))
    before = replace(generation(at), ending=State.CANCELLED if at is State.STOPPING else None)

    gone = decide(before, GONE)

    assert isinstance(gone, Transition)
    assert gone.generation.state is State.REFUNDING
    assert refund("cancelled") in gone.sends
    assert (CancelRender(generation_id=ID) in gone.sends) is (at in (State.QUEUED, State.RENDERING))
    assert decide(gone.generation, completed) == LostRace(State.REFUNDING, (DiscardRender(generation_id=ID),))
    ended = decide(gone.generation, refunded)
    assert isinstance(ended, Transition)
    assert ended.generation.state is State.CANCELLED


@pytest.mark.parametrize("at", [State.CAPTURING, State.REFUNDING, *sorted(TERMINAL)])
def test_a_client_that_is_gone_too_late_changes_nothing(at: State) -> None:
    assert decide(replace(generation(at), ending=State.CANCELLED), GONE) == LostRace(at)


def test_a_cancel_from_an_older_gateway_still_lets_the_render_win() -> None:
    old = CancelRequested.model_validate_json(f'{{"generation_id": "{ID}"}}')

    outcome = decide(generation(State.RENDERING), old)

    assert isinstance(outcome, Transition)
    assert outcome.generation.state is State.STOPPING


def test_what_is_neither_expected_nor_a_listed_loser_is_poison() -> None:
    with pytest.raises(Poison, match="makes no sense while reserving"):
        decide(generation(State.RESERVING), CreditCaptured(generation_id=ID, captured=1, refunded=0))


def test_no_message_is_both_a_step_and_a_loser() -> None:
    for state, losers in LOST_RACES.items():
        assert not losers & set(SAGA[state])


def test_a_stop_is_waited_for_half_a_minute() -> None:
    """Settled question 8: how long render may take to answer a cancel before the credits go back."""
    assert Settings.model_fields["session_stop_grace_s"].default == 30
