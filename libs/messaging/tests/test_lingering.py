"""After a batch of several messages the next one waits for company, for a share of the time that the last one took."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from atelier_contracts.bundle import BUNDLE_TYPE, COUNT_HEADER, count_messages
from atelier_messaging.bus import LINGER_FROM, LINGER_S_MAX, LINGER_SHARE, _Prefetched, linger_s


@dataclass
class Frame:
    """A delivery, as far as lingering looks at it."""

    headers: Mapping[str, object] = field(default_factory=dict)
    content_type: str = "application/json"


async def size_of_batch_after(first: Sequence[Frame]) -> int:
    """How many messages the batch after one of these frames holds, of two that come one after the other."""
    arrivals: Any = _Prefetched(batch_max=100)
    for raw in first:
        arrivals.add(raw)
    await arrivals.next()
    await asyncio.sleep(2 * LINGER_S_MAX)  # the batch is handled
    arrivals.add(Frame())
    taking = asyncio.create_task(arrivals.next())
    for _ in range(3):
        await asyncio.sleep(0)
    arrivals.add(Frame())
    return len(await taking)


async def test_after_a_single_message_the_next_batch_waits_for_nothing() -> None:
    assert await size_of_batch_after([Frame() for _ in range(LINGER_FROM - 1)]) == 1


async def test_after_several_frames_the_next_batch_waits_for_more() -> None:
    assert await size_of_batch_after([Frame() for _ in range(LINGER_FROM)]) == 2


async def test_after_one_frame_with_several_messages_the_next_batch_waits_for_more() -> None:
    assert await size_of_batch_after([Frame({COUNT_HEADER: LINGER_FROM}, BUNDLE_TYPE)]) == 2


def test_the_wait_grows_with_what_the_last_batch_took_and_has_an_end() -> None:
    assert linger_s(LINGER_FROM - 1, 1.0) == 0
    assert linger_s(LINGER_FROM, 0.004) == LINGER_SHARE * 0.004
    assert linger_s(LINGER_FROM, 60.0) == LINGER_S_MAX


@pytest.mark.parametrize("value", [None, -3, 0, "many", True, 10**9], ids=repr)
def test_a_count_that_is_nonsense_is_no_count(value: object) -> None:
    assert 1 <= count_messages({COUNT_HEADER: value}, content_type=BUNDLE_TYPE) <= 50
