"""A message is read as its event, and an error says what is wrong without repeating data."""

import json
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import pytest

from atelier_events import CreditsSettled, NotAnEvent, UnknownEvent, read

ID = UUID("01a22927-99df-70fd-a5e6-55f5132047dd")
DATA = {
    "generation_id": str(ID),
    "owner": {"kind": "store", "id": str(ID)},
    "kind": "image",
    "surface": "native",
    "metadata": {"order": "7"},
    "held": 10,
    "captured": 4,
    "returned": 6,
    "of_a_later_version": True,
}


@dataclass
class Message:
    """What a client library hands over."""

    data: dict[str, Any] = field(default_factory=lambda: dict(DATA))
    changes: dict[str, str] = field(default_factory=dict)
    prefix: str = "cloudEvents:"

    @property
    def headers(self) -> dict[str, Any]:
        attributes = {
            "type": "credits.settled.v1",
            "id": str(ID),
            "time": "2026-01-01T00:00:00+00:00",
            "sequence": "007",
        }
        return {f"{self.prefix}{name}": value for name, value in (attributes | self.changes).items()}

    @property
    def body(self) -> bytes:
        return json.dumps(self.data).encode()


@pytest.mark.parametrize("prefix", ["cloudEvents:", "cloudEvents_"])
def test_an_event_is_read_with_either_prefix_and_fields_that_it_does_not_know(prefix: str) -> None:
    event = read(Message(prefix=prefix))

    assert (event.id, event.sequence, event.traceparent) == (ID, 7, None)
    assert isinstance(event.data, CreditsSettled)
    assert (event.data.captured, event.data.metadata) == (4, {"order": "7"})


def test_an_event_of_a_later_version_is_told_apart() -> None:
    with pytest.raises(UnknownEvent, match=r"credits\.lent\.v1"):
        read(Message(changes={"type": "credits.lent.v1"}))


def test_a_malformed_event_names_the_field_and_no_data() -> None:
    with pytest.raises(NotAnEvent, match="captured") as caught:
        read(Message(data=DATA | {"captured": "secret"}))

    assert "secret" not in str(caught.value)


def test_a_malformed_attribute_is_no_event() -> None:
    with pytest.raises(NotAnEvent, match="an attribute is malformed"):
        read(Message(changes={"id": "7"}))
