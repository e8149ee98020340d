"""Every message has a hearer: one that has none would lie in its sender's outbox for ever."""

import pytest

from atelier_contracts import Command
from atelier_contracts.message import REGISTRY, Message
from atelier_contracts.routes import ROUTES


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

    assert owner in {"gateway", "session", "billing", "render"}
    assert sentence.replace("_", "").isalpha()
    assert version.removeprefix("v").isdigit()
