"""One ack speaks for all lower tags: it may only ever name the end of an unbroken run of settled deliveries."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from aio_pika.abc import AbstractIncomingMessage
from aio_pika.exceptions import ChannelInvalidStateError
from hypothesis import given
from hypothesis import strategies as st

from atelier_messaging.ack_tracker import AckTracker


@dataclass(eq=False)
class Wire:
    """A channel that keeps what was acknowledged on it."""

    acks: list[int] = field(default_factory=list)
    alone: list[int] = field(default_factory=list)
    closed: bool = False
    broken: bool = False

    async def basic_ack(self, tag: int, *, multiple: bool) -> None:
        if self.broken:
            raise ConnectionResetError
        assert tag not in self.alone, "the broker closes a channel that names a delivery twice"
        (self.acks if multiple else self.alone).append(tag)

    def delivers(self, *tags: int) -> list[AbstractIncomingMessage]:
        return [cast(AbstractIncomingMessage, Delivered(self, tag)) for tag in tags]


@dataclass
class Delivered:
    """A delivery; like aio-pika's it refuses to name a channel that is closed."""

    wire: Wire
    delivery_tag: int

    @property
    def channel(self) -> Any:
        if self.wire.closed:
            raise ChannelInvalidStateError
        return self.wire


async def test_a_batch_in_order_is_acknowledged_with_one_ack() -> None:
    wire, tracker = Wire(), AckTracker()

    await tracker.acknowledge(wire.delivers(1, 2, 3))

    assert wire.acks == [3]


async def test_a_delivery_that_overtook_another_waits_for_it() -> None:
    wire, tracker = Wire(), AckTracker()

    await tracker.acknowledge(wire.delivers(2, 3))
    assert wire.acks == []
    await tracker.acknowledge(wire.delivers(1))

    assert wire.acks == [3]


@given(data=st.data(), order=st.permutations(range(1, 21)))
async def test_no_order_of_arrival_acknowledges_what_is_not_settled(data: st.DataObject, order: list[int]) -> None:
    wire, tracker, settled = Wire(), AckTracker(), set[int]()

    while order:
        size = data.draw(st.integers(1, len(order)))
        batch, order = order[:size], order[size:]
        settled |= set(batch)
        await tracker.acknowledge(wire.delivers(*batch))
        assert settled >= set(range(1, max(wire.acks, default=0) + 1))

    assert wire.acks[-1] == 20
    assert wire.acks == sorted(set(wire.acks))


async def test_each_channel_counts_for_itself() -> None:
    old, new, tracker = Wire(), Wire(), AckTracker()

    await tracker.acknowledge([*old.delivers(1, 2), *new.delivers(2)])
    assert (old.acks, new.acks) == ([2], [])
    await tracker.acknowledge(new.delivers(1))

    assert (old.acks, new.acks) == ([2], [2])


async def test_deliveries_of_a_closed_channel_are_left_to_come_again() -> None:
    gone, alive, tracker = Wire(closed=True), Wire(), AckTracker()

    await tracker.acknowledge([*gone.delivers(1, 2), *alive.delivers(1)])

    assert (gone.acks, alive.acks) == ([], [1])


async def test_a_failing_ack_is_no_failure_of_the_consumer(caplog: pytest.LogCaptureFixture) -> None:
    wire, tracker = Wire(broken=True), AckTracker()

    await tracker.acknowledge(wire.delivers(1))

    assert "the broker will deliver it again" in caplog.text


async def test_one_that_is_acknowledged_alone_takes_no_unsettled_neighbour_along() -> None:
    wire, tracker = Wire(), AckTracker()

    [third] = wire.delivers(3)
    await tracker.acknowledge_alone(third)
    assert (wire.acks, wire.alone) == ([], [3])
    await tracker.acknowledge(wire.delivers(1, 2))

    assert (wire.acks, wire.alone) == ([2], [3])


async def test_the_first_alone_lets_those_settled_behind_it_be_acknowledged_at_once() -> None:
    wire, tracker = Wire(), AckTracker()

    await tracker.acknowledge(wire.delivers(2, 3))
    [first] = wire.delivers(1)
    await tracker.acknowledge_alone(first)

    assert (wire.acks, wire.alone) == ([3], [1])
