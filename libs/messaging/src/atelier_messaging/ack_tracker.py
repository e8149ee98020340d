"""Tracks settled deliveries and acknowledges them, mostly many with one ack."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import AMQPException, ChannelInvalidStateError
from aiormq.abc import AbstractChannel

SUSPECT_DELIVERIES = 3
"""A frame delivered this often without an acknowledgement may be the one that kills its consumer."""
logger = logging.getLogger(__name__)


def is_suspect(raw: AbstractIncomingMessage) -> bool:
    """Whether the broker has delivered this frame ``SUSPECT_DELIVERIES`` times in vain: it is then handled alone."""
    count = (raw.headers or {}).get("x-delivery-count")
    return isinstance(count, int) and count >= SUSPECT_DELIVERIES


@dataclass(slots=True)
class _AckRange:
    """Of one channel: the last tag of the unbroken run, the settled tags beyond it, and those acknowledged alone."""

    end: int = 0
    settled: set[int] = field(default_factory=set)
    alone: set[int] = field(default_factory=set)

    def advance(self) -> int | None:
        """Moves to the end of the unbroken run of settled tags; the tag to acknowledge up to, None where there is
        nothing to acknowledge. A tag that was acknowledged alone cannot be named again: the broker would object."""
        last = None
        while self.end + 1 in self.settled:
            self.end += 1
            self.settled.discard(self.end)
            if self.end in self.alone:
                self.alone.discard(self.end)
            else:
                last = self.end
        return last


class AckTracker:
    """Which deliveries are settled, per channel. One ack speaks for all lower tags, so it may only name the end of an
    unbroken run: deliveries can reach the handler out of order."""

    def __init__(self) -> None:
        self._ranges: WeakKeyDictionary[AbstractChannel, _AckRange] = WeakKeyDictionary()

    async def acknowledge(self, raws: Sequence[AbstractIncomingMessage]) -> None:
        """Marks as settled and acknowledges what can be. If a channel is gone, the broker delivers again."""
        alive = [(channel, raw.delivery_tag or 0) for raw in raws if (channel := _channel_of(raw)) is not None]
        for channel, tag in alive:
            self._range_of(channel).settled.add(tag)
        for channel in {channel for channel, _ in alive}:
            if (last := self._range_of(channel).advance()) is not None:
                await _ack(channel, last, multiple=True)

    async def acknowledge_alone(self, raw: AbstractIncomingMessage) -> None:
        """Acknowledges this delivery at once, even while earlier ones are not settled."""
        channel, tag = _channel_of(raw), raw.delivery_tag or 0
        if channel is None:
            return
        acks = self._range_of(channel)
        acks.settled.add(tag)
        acks.alone.add(tag)
        await _ack(channel, tag, multiple=False)
        if (last := acks.advance()) is not None:
            await _ack(channel, last, multiple=True)

    def _range_of(self, channel: AbstractChannel) -> _AckRange:
        return self._ranges.setdefault(channel, _AckRange())


async def _ack(channel: AbstractChannel, tag: int, *, multiple: bool) -> None:
    try:
        await channel.basic_ack(tag, multiple=multiple)
    except (AMQPException, ChannelInvalidStateError, OSError, RuntimeError) as error:
        logger.warning("acknowledging delivery %d failed, the broker will deliver it again: %r", tag, error)


def _channel_of(raw: AbstractIncomingMessage) -> AbstractChannel | None:
    try:
        return raw.channel
    except ChannelInvalidStateError:
        return None
