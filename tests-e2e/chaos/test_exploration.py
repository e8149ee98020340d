"""Saga and ledger over every order of messages, with a loss and a repetition; no guard can be spared."""

import pytest

from atelier_session.generation import State
from chaos.explore import GUARDS, explore
from chaos.model import Guards


@pytest.mark.parametrize(
    ("guards", "cancels"),
    [(Guards(resends=1, losses=1), True), (Guards(resends=1, losses=1, request_repeats=1), False)],
    ids=["one loss", "one loss, asked for again"],
)
def test_every_order_of_messages_ends_well(guards: Guards, cancels: bool) -> None:
    found = explore(guards, cancels=cancels)

    assert found.violations == []
    assert set(found.states) == set(State) - (set() if cancels else {State.CANCELLED})


@pytest.mark.parametrize("guard", GUARDS)
def test_without_a_guard_something_breaks(guard: str) -> None:
    assert explore(GUARDS[guard]).violations
