"""One subscription's turn: its next events, in windows. While the broker stores one, the next is read and written."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from atelier_gateway.subscriptions import event_log
from atelier_gateway.subscriptions.event_log import LoggedEvent
from atelier_gateway.subscriptions.store import Subscription
from atelier_messaging.database import Connection
from atelier_messaging.publish_window import Confirmation
from atelier_messaging.publisher import OutgoingMessage, Publisher, PublishOutcome

WINDOW = 125
"""Events that are written to the broker at once."""
UNCONFIRMED_WINDOWS = 2
"""Windows that may wait for the broker's confirms."""
TURN = 4 * WINDOW
"""Events published to one subscriber before it is the next one's turn."""


@dataclass(slots=True)
class Turn:
    """What a turn has done."""

    reached: int
    """The position of the last event that the broker has confirmed, and all before it."""
    confirmed: int = 0
    was_all_read: bool = False
    """No event was left to read."""
    was_all_confirmed: bool = True


async def publish_turn(
    publisher: Publisher,
    connection: Connection,
    subscription: Subscription,
    to_message: Callable[[LoggedEvent], OutgoingMessage],
    room: int,
) -> Turn:
    """Publishes what comes after the subscription's position, as many events as a turn has and its queue has room for.
    It ends with the first window that is not confirmed whole; what was written after that is published again."""
    turn = Turn(subscription.position)
    unconfirmed: deque[tuple[Sequence[LoggedEvent], Sequence[Confirmation]]] = deque()
    read, left = subscription.position, min(TURN, room)
    while left and turn.was_all_confirmed and not turn.was_all_read:
        size = min(WINDOW, left)
        events = await event_log.list_after(connection, read, subscription.types, size)
        turn.was_all_read = len(events) < size
        if not events:
            break
        read, left = events[-1].position, left - len(events)
        unconfirmed.append((events, await publisher.write_window([to_message(event) for event in events])))
        if len(unconfirmed) == UNCONFIRMED_WINDOWS:
            await _confirm(publisher, turn, *unconfirmed.popleft())
    while unconfirmed:
        await _confirm(publisher, turn, *unconfirmed.popleft())
    return turn


async def _confirm(
    publisher: Publisher, turn: Turn, events: Sequence[LoggedEvent], confirmations: Sequence[Confirmation]
) -> None:
    """Counts the events up to the first one that is not confirmed; none once an earlier one was not."""
    outcomes = await publisher.await_confirms(confirmations)
    if not turn.was_all_confirmed:
        return
    unsure = (place for place, outcome in enumerate(outcomes) if outcome is not PublishOutcome.CONFIRMED)
    count = next(unsure, len(events))
    turn.was_all_confirmed = count == len(events)
    if count:
        turn.confirmed += count
        turn.reached = events[count - 1].position
