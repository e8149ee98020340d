"""A state that the saga learns has its words in the gateway, which knows states by their names alone."""

from atelier_gateway.generations.operator_timeline import STATE_DESCRIPTIONS
from atelier_gateway.generations.owner_timeline import BECAME
from atelier_session.generation import State

NOT_SEEN_BY_ITS_OWNER = {
    State.NEW,  # before the first step
    State.RESERVING,  # follows the request at once; "was requested" says it
    State.REJECTED,  # the summary says it with its reason
}


def test_operators_read_a_sentence_for_every_state_of_the_saga() -> None:
    assert set(State) - set(STATE_DESCRIPTIONS) == {State.NEW}


def test_an_owner_s_timeline_has_a_sentence_for_every_state_but_those_named_here() -> None:
    assert set(State) - set(BECAME) == NOT_SEEN_BY_ITS_OWNER


def test_no_sentence_is_kept_for_a_state_that_the_saga_has_not() -> None:
    before_the_saga = {"accepted", "withdrawn"}  # the gateway's own two

    assert set(STATE_DESCRIPTIONS) - set(State) == before_the_saga
    assert set(BECAME) <= set(State)
