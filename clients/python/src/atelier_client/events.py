"""Server-sent events, from bytes to ``Event``. Pure; the framing is that of the HTML standard."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

ENDED = frozenset({"succeeded", "failed", "cancelled", "expired", "rejected"})
"""The statuses after which nothing follows."""
DELETED = "deleted"
DELIVERING = "delivering"
"""The outputs can be taken, and are charged then."""


@dataclass(frozen=True, slots=True)
class Event:
    """A change of a generation. ``id`` is None where the service gives it no number, or where it was polled."""

    id: str | None
    status: str
    progress: int
    data: dict[str, Any]
    """What the service says about it; the whole generation once it has ended."""

    @property
    def is_last(self) -> bool:
        """Whether nothing follows."""
        return self.status in ENDED or self.status == DELETED

    @classmethod
    def of_generation(cls, generation: dict[str, Any]) -> Self:
        """The event that a generation, as it is now, amounts to."""
        return cls(None, str(generation["status"]), int(generation["progress"]), generation)


class EventParser:
    """Bytes in, events out, however the bytes are cut."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, str] = {}

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """The events that are complete with this chunk. Raises ValueError for data that is not a JSON object."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            text = line.removesuffix(b"\r").decode(errors="replace")
            if text:
                self._add(text)
            elif event := self._take():
                yield event

    def _add(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data" and name in self._fields:
            value = f"{self._fields[name]}\n{value}"
        self._fields[name] = value  # a comment has no name and is never looked at

    def _take(self) -> Event | None:
        fields, self._fields = self._fields, {}
        if "data" not in fields:
            return None
        data = json.loads(fields["data"])
        if not isinstance(data, dict):
            raise ValueError(f"the data of an event is no JSON object: {fields['data'][:80]}")
        status = str(fields.get("event", data.get("status", "")))
        return Event(fields.get("id"), status, int(data.get("progress") or 0), data)
