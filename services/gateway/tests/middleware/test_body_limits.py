"""Bodies are bounded by the byte, by what all of them hold at once, and by the time they take to arrive."""

import asyncio
from collections.abc import Iterable

import pytest
from starlette.types import Message, Receive

from atelier_gateway.middleware import body_limits
from atelier_gateway.middleware.body_limits import FREE_BYTES, BodyBudget, BodyReader
from atelier_gateway.web.problems import Problem

MIB = 1024 * 1024


def receive_chunks(*chunks: int) -> Receive:
    """A body in chunks of so many bytes, and then a client that goes."""
    messages: list[Message] = [
        {"type": "http.request", "body": bytes(size), "more_body": place < len(chunks)}
        for place, size in enumerate(chunks, 1)
    ]
    waiting = iter([*messages, {"type": "http.disconnect"}])

    async def receive() -> Message:
        return next(waiting)

    return receive


async def read(reader: BodyReader) -> int:
    size, more = 0, True
    while more:
        message = await reader.receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    return size


async def refusal(reader: BodyReader) -> Problem:
    with pytest.raises(Problem) as refused:
        await read(reader)
    return refused.value


async def test_large_bodies_past_the_budget_are_refused_until_one_has_ended() -> None:
    budget = BodyBudget(3 * MIB)
    first, second = (BodyReader(receive_chunks(MIB, MIB), 25 * MIB, budget) for _ in range(2))

    assert await read(first) == 2 * MIB
    refused = await refusal(second)
    second.close()
    assert (refused.code, refused.headers["Retry-After"]) == ("unavailable", "2")

    first.close()
    assert await read(BodyReader(receive_chunks(MIB, MIB), 25 * MIB, budget)) == 2 * MIB


async def test_small_bodies_are_read_whatever_large_ones_hold() -> None:
    budget = BodyBudget(MIB)
    await read(BodyReader(receive_chunks(MIB), 25 * MIB, budget))

    sizes: Iterable[int] = [await read(BodyReader(receive_chunks(FREE_BYTES), MIB, budget)) for _ in range(100)]

    assert set(sizes) == {FREE_BYTES}


async def test_a_body_gives_back_what_it_took_and_no_more() -> None:
    budget = BodyBudget(2 * MIB)

    for _ in range(10):
        reader = BodyReader(receive_chunks(MIB), 25 * MIB, budget)
        await read(reader)
        reader.close()
        reader.close()

    assert budget.take(2 * MIB)
    assert not budget.take(1)


async def test_a_body_that_stops_arriving_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(body_limits, "PATIENCE_S", 0.0)

    async def receive_nothing() -> Message:
        await asyncio.Event().wait()
        raise AssertionError("nothing ever comes")

    assert (await refusal(BodyReader(receive_nothing, MIB, BodyBudget(MIB)))).code == "request_timeout"


async def test_after_the_body_its_clients_departure_is_awaited_without_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    reader = BodyReader(receive_chunks(10), MIB, BodyBudget(MIB))
    await read(reader)
    monkeypatch.setattr(body_limits, "PATIENCE_S", -1.0)

    assert (await reader.receive())["type"] == "http.disconnect"
