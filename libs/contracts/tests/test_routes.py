"""Every message has a consumer: one without would lie in its sender's outbox forever."""

import pytest

from atelier_contracts import Command, Event
from atelier_contracts.message import REGISTRY, Message
from atelier_contracts.routes import ROUTES, SERVICES, message_names_of, owner_of, senders_of


@pytest.mark.parametrize("kind", REGISTRY.values(), ids=list(REGISTRY))
def test_every_message_is_bound_to_a_queue(kind: type[Message]) -> None:
    assert any(kind in heard for heard in ROUTES.values())


@pytest.mark.parametrize("kind", [kind for kind in REGISTRY.values() if issubclass(kind, Command)], ids=str)
def test_every_command_has_exactly_one_owner(kind: type[Message]) -> None:
    assert len([queue for queue, heard in ROUTES.items() if kind in heard]) == 1


def test_no_queue_is_bound_twice_to_the_same_message() -> None:
    for heard in ROUTES.values():
        assert len(set(heard)) == len(heard)


@pytest.mark.parametrize("name", REGISTRY)
def test_every_name_says_owner_sentence_and_version(name: str) -> None:
    owner, sentence, version = name.split(".")

    assert owner in SERVICES
    assert sentence.replace("_", "").isalpha()
    assert version.removeprefix("v").isdigit()


def test_money_moves_at_the_word_of_the_session_and_is_given_at_that_of_the_gateway_alone() -> None:
    money = {name: senders_of(kind) for name, kind in REGISTRY.items() if kind in ROUTES["billing.commands"]}

    assert money == {
        "billing.reserve_credit.v1": ("session",),
        "billing.capture_credit.v1": ("session",),
        "billing.refund_credit.v1": ("session",),
        "billing.grant_credit.v1": ("gateway",),
    }


@pytest.mark.parametrize("kind", REGISTRY.values(), ids=list(REGISTRY))
def test_every_message_has_senders_among_the_services(kind: type[Message]) -> None:
    assert senders_of(kind)
    assert set(senders_of(kind)) <= set(SERVICES)
    assert all(kind.name in message_names_of(service) for service in senders_of(kind))


def test_an_event_is_sent_by_its_owner() -> None:
    events = [kind for kind in REGISTRY.values() if issubclass(kind, Event)]

    assert [kind.name for kind in events if senders_of(kind) != (owner_of(kind.name),)] == []
