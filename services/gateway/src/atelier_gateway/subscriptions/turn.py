"""One subscription's turn: the next events of the log, published to its queue in windows.

Several windows are on their way at once: while the broker stores one, the next is read and written. The position moves
once, at the turn's end, over what the broker has confirmed without a gap.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from atelier_contracts.public_events import SUBSCRIPTIONS, routing_key
from atelier_gateway.subscriptions import event_log, store
from atelier_gateway.subscriptions.event_log import LoggedEvent
from atelier_gateway.subscriptions.store import Subscription
from atelier_messaging.database import Connection
from atelier_messaging.publisher import OutgoingMessage, Publisher, PublishOutcome, WrittenWindow

WINDOW = 250
"""Events that are read and written as one piece."""
WINDOWS_UNCONFIRMED_MAX = 3
"""Windows on their way at once. More let events of other subscriptions wait behind them at the broker."""
WINDOWS_MAX = 8
"""Windows of one turn: so many events may be published again after a crash."""


@dataclass(frozen=True, slots=True)
class TurnOutcome:
    """How a turn ended."""

    confirmed: int
    is_cut: bool
    """Whether the broker did not confirm one of its events."""
    may_go_on: bool
    """Whether there may be more that the queue can take."""


@dataclass(frozen=True, slots=True)
class _Window:
    events: Sequence[LoggedEvent]
    end: int
    """The position that is reached when all of them are confirmed."""
    written: WrittenWindow


class Turn:
    """Publishes to one subscription that this transaction has locked."""

    def __init__(self, connection: Connection, publisher: Publisher, subscription: Subscription, root: str) -> None:
        """``root`` is the ``source`` of the events and the root of their schemas."""
        self._connection = connection
        self._publisher = publisher
        self._subscription = subscription
        self._root = root
        self._unconfirmed = deque[_Window]()
        self._read = subscription.position
        self._reached = subscription.position
        self._confirmed = 0

    async def publish(self, room: int) -> TurnOutcome:
        """Publishes at most ``room`` events and records the position that was reached."""
        left, is_whole, may_go_on = min(room, WINDOW * WINDOWS_MAX), True, True
        while is_whole:
            if left and may_go_on and len(self._unconfirmed) < WINDOWS_UNCONFIRMED_MAX:
                limit = min(left, WINDOW)
                count = await self._write_next(limit)
                left, may_go_on = left - count, count == limit
            elif self._unconfirmed:
                is_whole = await self._confirm_first()
            else:
                break
        # What was written behind a gap is published again.
        await asyncio.gather(*(self._publisher.confirm_window(window.written) for window in self._unconfirmed))
        if self._reached != self._subscription.position:
            await store.move(self._connection, self._subscription.name, self._reached)
        return TurnOutcome(self._confirmed, is_cut=not is_whole, may_go_on=is_whole and may_go_on)

    async def _write_next(self, limit: int) -> int:
        head = await event_log.get_head(self._connection)
        if head <= self._read:
            return 0
        events = await event_log.list_after(self._connection, self._read, self._subscription.types, limit)
        # Fewer than asked for: all others up to the head are of types that are not wanted.
        last = events[-1].position if events else head
        self._read = last if len(events) == limit else max(head, last)
        messages = [self._message(event) for event in events]
        written = await self._publisher.write_window(messages) if messages else WrittenWindow(0, ())
        self._unconfirmed.append(_Window(events, self._read, written))
        return len(events)

    async def _confirm_first(self) -> bool:
        """Waits for the oldest window; whether the broker has confirmed all of it."""
        window = self._unconfirmed.popleft()
        outcomes = await self._publisher.confirm_window(window.written)
        unsure = (place for place, outcome in enumerate(outcomes) if outcome is not PublishOutcome.CONFIRMED)
        count = next(unsure, len(outcomes))
        self._confirmed += count
        if count == len(outcomes):
            self._reached = window.end
        elif count:
            self._reached = window.events[count - 1].position
        return count == len(outcomes)

    def _message(self, event: LoggedEvent) -> OutgoingMessage:
        key = routing_key(self._subscription.name, event.type)
        headers = message_headers(event, self._root)
        return OutgoingMessage(event.data.encode(), headers, str(event.id), key, exchange=SUBSCRIPTIONS)


def message_headers(event: LoggedEvent, root: str) -> dict[str, str]:
    """The CloudEvents attributes as AMQP headers (binary mode), and the trace context as tracing libraries read it."""
    attributes = {
        "specversion": "1.0",
        "id": str(event.id),
        "source": root,
        "type": event.type,
        "time": event.at.isoformat(),
        "subject": str(event.subject),
        "dataschema": f"{root}/schemas/{event.type}.json",
        "sequence": f"{event.position:020}",
    }
    headers = {f"cloudEvents:{name}": value for name, value in attributes.items()}
    if event.traceparent:
        headers |= {"cloudEvents:traceparent": event.traceparent, "traceparent": event.traceparent}
    return headers
