"""Many publishes written at once: each has the outcome that it would have alone, on a real broker."""

from collections.abc import AsyncIterator
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel

from atelier_messaging.link import open_link
from atelier_messaging.publisher import OutgoingMessage, Publisher, PublishOutcome
from atelier_messaging.testing import becomes

pytestmark = pytest.mark.stack
EXCHANGE = "window-tests"


@pytest.fixture
async def channel(server_urls: tuple[str, str]) -> AsyncIterator[AbstractChannel]:
    """Of the test, with the exchange that it publishes to."""
    async with await aio_pika.connect(server_urls[0]) as connection:
        opened = await connection.channel()
        await opened.declare_exchange(EXCHANGE, aio_pika.ExchangeType.DIRECT)
        yield opened
        await opened.exchange_delete(EXCHANGE)


@pytest.fixture
async def publisher(server_urls: tuple[str, str]) -> AsyncIterator[Publisher]:
    """A connected one."""
    made = Publisher(server_urls[0], "gateway")
    await made.start()
    yield made
    await made.stop()


async def queue(channel: AbstractChannel, **arguments: object) -> aio_pika.abc.AbstractQueue:
    """One of its own, bound under its name."""
    declared = await channel.declare_queue(f"window-{uuid4().hex}", exclusive=True, arguments=dict(arguments))  # type: ignore[arg-type]  # numbers and words
    await declared.bind(EXCHANGE, declared.name)
    return declared


def message(key: str, body: bytes = b"{}") -> OutgoingMessage:
    return OutgoingMessage(body, {"cloudEvents:id": "1"}, str(uuid4()), key, exchange=EXCHANGE)


async def test_all_arrive_in_order_whatever_their_size(channel: AbstractChannel, publisher: Publisher) -> None:
    kept = await queue(channel)
    bodies = [b"", b"{}", b"x" * 131_064, b"y" * 131_065, b"z" * 400_000, b"{}"]
    window = [message(kept.name, body) for body in bodies]

    outcomes = await publisher.publish_window(window)

    assert outcomes == [PublishOutcome.CONFIRMED] * len(bodies)
    found = [await kept.get() for _ in bodies]
    assert [each.body for each in found] == bodies
    assert [each.message_id for each in found] == [each.message_id for each in window]


async def test_a_window_may_be_written_before_the_one_before_it_is_confirmed(
    channel: AbstractChannel, publisher: Publisher
) -> None:
    kept = await queue(channel)
    windows = [[message(kept.name, f"{number} {place}".encode()) for place in range(50)] for number in range(3)]

    written = [await publisher.write_window(window) for window in windows]
    outcomes = [await publisher.confirm_window(window) for window in reversed(written)]

    assert outcomes == [[PublishOutcome.CONFIRMED] * 50] * 3
    found = [await kept.get() for window in windows for _ in window]
    assert [each.body for each in found] == [each.body for window in windows for each in window]


async def test_what_no_queue_takes_is_unroutable_and_the_others_are_confirmed(
    channel: AbstractChannel, publisher: Publisher
) -> None:
    kept = await queue(channel)

    outcomes = await publisher.publish_window([message(kept.name), message("nowhere"), message(kept.name)])

    assert outcomes == [PublishOutcome.CONFIRMED, PublishOutcome.UNROUTABLE, PublishOutcome.CONFIRMED]
    assert await publisher.publish([message(kept.name)]) == [PublishOutcome.CONFIRMED]
    assert await publisher.publish_window([message(kept.name)]) == [PublishOutcome.CONFIRMED]


async def test_what_a_full_queue_refuses_is_not_confirmed(channel: AbstractChannel, publisher: Publisher) -> None:
    full = await queue(channel, **{"x-max-length": 2, "x-overflow": "reject-publish"})

    outcomes = await publisher.publish_window([message(full.name) for _ in range(4)])

    assert outcomes.count(PublishOutcome.CONFIRMED) == 2
    assert outcomes.count(PublishOutcome.UNKNOWN) == 2


async def test_without_an_answer_the_outcome_is_unknown_and_the_publisher_goes_on(
    server_urls: tuple[str, str], channel: AbstractChannel
) -> None:
    kept = await queue(channel)
    async with open_link(server_urls[0]) as link:
        behind = Publisher(link.url, "gateway")
        await behind.start()
        link.freeze()
        lost = await behind.publish_window([message(kept.name) for _ in range(3)])
        link.thaw()

        async def publish_again() -> list[PublishOutcome]:
            return await behind.publish_window([message(kept.name)])

        await becomes([PublishOutcome.CONFIRMED], publish_again)
        await behind.stop()

    assert lost == [PublishOutcome.UNKNOWN] * 3
