"""The document of the public events is current, and says when a change would break a subscriber."""

import copy
import json
from typing import Any

import pytest

from atelier_contracts.asyncapi import FILE, document, find_document_changes, main, public_schema
from atelier_contracts.public_event_examples import EXAMPLES
from atelier_contracts.public_events import PUBLIC_EVENTS

ROOT = "https://atelier.example"
FAILED = "generation.failed.v1"


def test_the_document_in_the_repository_is_that_of_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"]) == 0, capsys.readouterr().out


def test_every_event_says_whose_it_is_and_names_a_version() -> None:
    for type in PUBLIC_EVENTS:
        assert "owner" in public_schema(type, ROOT)["required"]
        assert type.rpartition(".v")[2].isdigit()


def test_the_schema_of_an_event_is_what_its_messages_name() -> None:
    headers = document(root=ROOT)["components"]["messages"][FAILED]["headers"]["schema"]["properties"]

    assert headers["cloudEvents:dataschema"]["const"] == public_schema(FAILED, ROOT)["$id"]


def _without_a_field(schema: dict[str, Any]) -> None:
    del schema["properties"]["reason"]


def _with_another_type(schema: dict[str, Any]) -> None:
    schema["properties"]["returned"]["type"] = "string"


def _with_an_optional_field(schema: dict[str, Any]) -> None:
    schema["required"].remove("code")


def _with_a_change_inside(schema: dict[str, Any]) -> None:
    del schema["properties"]["owner"]["properties"]["kind"]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (_without_a_field, "field reason was removed"),
        (_with_another_type, "field returned changed its type"),
        (_with_an_optional_field, "field code is no longer always there"),
        (_with_a_change_inside, "field owner.kind was removed"),
    ],
    ids=["removed", "type", "optional", "nested"],
)
def test_a_change_that_breaks_subscribers_is_named(change: Any, problem: str) -> None:
    changed = document(root=ROOT)
    change(changed["components"]["messages"][FAILED]["payload"]["schema"])

    assert problem in " ".join(find_document_changes(document(root=ROOT), changed))


def test_a_new_field_and_a_new_event_break_no_subscriber() -> None:
    changed = document(root=ROOT)
    messages = changed["components"]["messages"]
    messages[FAILED]["payload"]["schema"]["properties"]["more"] = {"type": "string"}
    messages["generation.paused.v1"] = copy.deepcopy(messages[FAILED])

    assert find_document_changes(document(root=ROOT), changed) == []


def test_an_event_that_is_gone_is_named() -> None:
    stored = json.loads(FILE.read_text())
    del stored["components"]["messages"][FAILED]

    assert find_document_changes(document(root=ROOT), stored) == [f"{FAILED}: the event was removed"]


@pytest.mark.parametrize("type", PUBLIC_EVENTS)
def test_each_event_has_an_example_with_every_field(type: str) -> None:
    event = PUBLIC_EVENTS[type].model_validate(EXAMPLES[type])

    assert event.model_dump(mode="json") == {"test": False, **EXAMPLES[type]}, "test is there of test accounts alone"
    assert EXAMPLES.keys() == PUBLIC_EVENTS.keys()
