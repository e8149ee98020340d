"""A batch waits for company only when the last one was large: few messages gain less than the wait costs them."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from atelier_contracts.bundle import BUNDLE_TYPE, COUNT_HEADER, count_messages
from atelier_messaging.bus import LINGER_FROM, LINGER_S, _Prefetched


@dataclass
class Frame:
    """A delivery, as far as lingering looks at it."""

    headers: Mapping[str, object] = field(default_factory=dict)
    content_type: str = "application/json"


async def waits_after(monkeypatch: pytest.MonkeyPatch, first: Sequence[Frame]) -> bool:
    """Whether the batch after one of these frames waits for more."""
    pauses: list[float] = []
    sleep = asyncio.sleep

    async def pause(seconds: float) -> None:
        if seconds == LINGER_S:
            pauses.append(seconds)
        else:
            await sleep(seconds)  # of a server that other tests run in this event loop

    monkeypatch.setattr(asyncio, "sleep", pause)
    arrivals: Any = _Prefetched(batch_max=100)
    for raw in first:
        arrivals.add(raw)
    await arrivals.next()
    arrivals.add(Frame())
    await arrivals.next()
    return bool(pauses)


async def test_after_few_messages_the_next_batch_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not await waits_after(monkeypatch, [Frame() for _ in range(LINGER_FROM - 1)])


async def test_after_many_frames_the_next_batch_waits_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await waits_after(monkeypatch, [Frame() for _ in range(LINGER_FROM)])


async def test_after_one_frame_with_many_messages_the_next_batch_waits_for_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await waits_after(monkeypatch, [Frame({COUNT_HEADER: LINGER_FROM}, BUNDLE_TYPE)])


@pytest.mark.parametrize("value", [None, -3, 0, "many", True, 10**9], ids=repr)
def test_a_count_that_is_nonsense_is_no_count(value: object) -> None:
    assert 1 <= count_messages({COUNT_HEADER: value}, content_type=BUNDLE_TYPE) <= 50
