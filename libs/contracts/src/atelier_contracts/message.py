"""The base of every message on the bus: a frozen model with a versioned name and a subject.

Source of the envelope: CloudEvents 1.0, AMQP protocol binding (binary content mode).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, TypeVar
from uuid import UUID

from pydantic import BaseModel, ConfigDict, ValidationError
from uuid_utils.compat import uuid7

SPEC_VERSION = "1.0"
SCHEMA_ROOT = "https://atelier.example/schemas"
CONTENT_TYPE = "application/json"
NAME_CHARS_MAX = 100
"""How much of an unknown name an error repeats."""

Value = TypeVar("Value")


class Message(BaseModel):
    """A message on the bus. Immutable; unknown fields are ignored, so that a new optional field breaks no reader."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: ClassVar[str]
    """Owner, sentence and version, e.g. ``billing.credit_deducted.v1``; also the routing key."""
    senders: ClassVar[tuple[str, ...]] = ()
    """The services that may send it; empty: the one that its name begins with."""

    @property
    def subject(self) -> UUID:
        """What this message is about: the CloudEvents ``subject``."""
        raise AssertionError(f"{type(self).__name__} does not define its subject")

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "name" in cls.__dict__:
            REGISTRY[cls.name] = cls


REGISTRY: dict[str, type[Message]] = {}
"""Every message by name; filled as the modules that define them are imported."""


class GenerationMessage(Message):
    """A message about one generation."""

    generation_id: UUID

    @property
    def subject(self) -> UUID:
        """The generation."""
        return self.generation_id


class Command(GenerationMessage):
    """Asks one owner to do something about a generation; it may be refused."""


class Event(GenerationMessage):
    """States what has happened to a generation; it cannot be refused, only ignored."""


class Undecodable(ValueError):
    """The bytes are not a message we know: poison, never retried."""


@dataclass(frozen=True)
class Envelope:
    """A message in transit: its sender, time and trace."""

    message: Message
    id: UUID
    source: str
    time: datetime
    traceparent: str | None = None
    cc: tuple[str, ...] = ()
    """Extra routing keys, e.g. of the gateway instance that waits for this reply."""

    @cached_property
    def body(self) -> str:
        """The payload as JSON, without what has its default value: it is stored and sent many times."""
        return self.message.model_dump_json(exclude_defaults=True)

    @cached_property
    def headers(self) -> dict[str, str]:
        """The CloudEvents attributes as AMQP application headers."""
        return headers_of(self.message, self.id, self.source, self.time, self.traceparent)


def headers_of(
    message: Message, id: UUID, source: str, time: datetime, traceparent: str | None = None
) -> dict[str, str]:
    """The CloudEvents attributes of a message as AMQP application headers."""
    headers = {
        "cloudEvents:id": str(id),
        "cloudEvents:source": source,
        "cloudEvents:type": message.name,
        "cloudEvents:time": time.isoformat(),
        "cloudEvents:specversion": SPEC_VERSION,
        "cloudEvents:subject": str(message.subject),
        "cloudEvents:dataschema": f"{SCHEMA_ROOT}/{message.name}.json",
    }
    if traceparent:
        headers["traceparent"] = traceparent
    return headers


def time_of(id: UUID) -> datetime:
    """When a time-ordered id (UUIDv7) was made, to the millisecond. Raises ValueError for any other id."""
    if id.version != 7:
        raise ValueError(f"{id} is not time-ordered")
    return datetime.fromtimestamp((id.int >> 80) / 1_000, UTC)


def wrap(message: Message, *, source: str, traceparent: str | None = None, cc: tuple[str, ...] = ()) -> Envelope:
    """A fresh envelope: a new time-ordered id (UUIDv7), which also says its time."""
    id_ = uuid7()
    return Envelope(message, id_, source, time_of(id_), traceparent, cc)


def unwrap(body: bytes, headers: Mapping[str, object]) -> Envelope:
    """Reads an envelope back. Raises Undecodable, which names the fault but never repeats a value of the body."""
    name = str(headers.get("cloudEvents:type", ""))
    kind = REGISTRY.get(name)
    if kind is None:
        raise Undecodable(f"unknown or absent message type {name[:NAME_CHARS_MAX]!r}")
    try:
        traceparent = headers.get("traceparent")
        return Envelope(
            message=kind.model_validate_json(body),
            id=_header(UUID, headers, "cloudEvents:id"),
            source=str(headers.get("cloudEvents:source", "")),
            time=_header(datetime.fromisoformat, headers, "cloudEvents:time"),
            traceparent=str(traceparent) if traceparent else None,
        )
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise Undecodable(f"{name}: {problems}") from None


def _header(read: Callable[[str], Value], headers: Mapping[str, object], header: str) -> Value:
    try:
        return read(str(headers.get(header)))
    except ValueError:
        # The parser's own text repeats the value, which must not reach a log.
        raise Undecodable(f"the header {header} is absent or malformed") from None
