"""Reads an AMQP message as the event that it is: aio-pika's, FastStream's, or whatever has headers and a body."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from pydantic import ValidationError

from atelier_contracts.public_events import PUBLIC_EVENTS, PublicEvent

PREFIXES = ("cloudEvents:", "cloudEvents_")


class NotAnEvent(ValueError):
    """The message is not a public event; the text says what is wrong and repeats no data."""


class UnknownEvent(NotAnEvent):
    """An event of a type that this version of the package does not know."""


class ReceivedMessage(Protocol):
    """A message as a client library hands it over."""

    @property
    def headers(self) -> Mapping[str, Any]:
        """The application headers."""

    @property
    def body(self) -> bytes:
        """The data."""


@dataclass(frozen=True, slots=True)
class ReceivedEvent:
    """An event with its CloudEvents attributes. ``sequence`` is its position in the log and only rises."""

    id: UUID
    type: str
    time: datetime
    sequence: int
    data: PublicEvent
    traceparent: str | None = None


def read(message: ReceivedMessage) -> ReceivedEvent:
    """The event of a message. Raises UnknownEvent for a type of a later version, NotAnEvent for anything else."""
    attributes = attributes_of(message)
    type = str(attributes.get("type", ""))
    kind = PUBLIC_EVENTS.get(type)
    if kind is None:
        raise UnknownEvent(f"{type[:100]!r} is no event that this version of atelier-events knows")
    try:
        return ReceivedEvent(
            id=UUID(str(attributes["id"])),
            type=type,
            time=datetime.fromisoformat(str(attributes["time"])),
            sequence=int(str(attributes["sequence"])),
            data=kind.model_validate_json(message.body),
            traceparent=str(attributes["traceparent"]) if "traceparent" in attributes else None,
        )
    except KeyError as error:
        raise NotAnEvent(f"{type}: the attribute {error.args[0]} is absent") from None
    except ValidationError as error:
        fields = ", ".join(".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False))
        raise NotAnEvent(f"{type}: the data does not fit its schema: {fields}") from None
    except ValueError:
        raise NotAnEvent(f"{type}: an attribute is malformed") from None


def attributes_of(message: ReceivedMessage) -> dict[str, Any]:
    """The CloudEvents attributes among the headers, without their prefix."""
    return {
        name.removeprefix(prefix): value
        for prefix in PREFIXES
        for name, value in (message.headers or {}).items()
        if name.startswith(prefix)
    }
