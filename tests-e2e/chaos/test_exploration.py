"""Saga and ledger over every order of messages, with a loss and a repetition; no guard can be spared."""

import pytest

from atelier_session.generation import State
from chaos.explore import DELIVERY_GUARDS, GUARDS, explore
from chaos.model import ON_DELIVERY, STARTED_SOON, UNSTORED, Guards

ALWAYS = set(State) - {State.DELIVERING}


@pytest.mark.parametrize(
    ("guards", "cancels"),
    [(Guards(resends=1, losses=1), True), (Guards(resends=1, losses=1, request_repeats=1), False)],
    ids=["one loss", "one loss, asked for again"],
)
def test_every_order_of_messages_ends_well(guards: Guards, cancels: bool) -> None:
    found = explore(guards, cancels=cancels)

    assert found.violations == []
    assert set(found.states) == ALWAYS - (set() if cancels else {State.CANCELLED})


def test_in_every_order_what_is_charged_on_delivery_is_what_was_delivered() -> None:
    found = explore(Guards(resends=1, losses=1), request=ON_DELIVERY)

    assert found.violations == []
    assert set(found.states) == set(State)


def test_in_every_order_what_starts_too_late_costs_nothing() -> None:
    found = explore(Guards(resends=1), request=STARTED_SOON)

    assert found.violations == []
    assert set(found.states) == ALWAYS


def test_in_every_order_what_is_not_to_be_stored_is_deleted_only_once_it_is_charged() -> None:
    found = explore(Guards(resends=1), cancels=False, request=UNSTORED)

    assert found.violations == []
    assert State.SUCCEEDED in found.states


@pytest.mark.parametrize("guard", GUARDS)
def test_without_a_guard_something_breaks(guard: str) -> None:
    assert explore(GUARDS[guard]).violations


@pytest.mark.parametrize("guard", DELIVERY_GUARDS)
def test_without_a_guard_of_deliveries_something_breaks(guard: str) -> None:
    assert explore(DELIVERY_GUARDS[guard], request=ON_DELIVERY).violations
