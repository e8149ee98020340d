"""A broker node that lives and stores nothing, cut off from the others: publisher and consumers leave it."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from atelier_messaging import PublishOutcome, bus, majority
from atelier_messaging.link import Link
from atelier_messaging.majority import UnconfirmedRun
from atelier_messaging.testing import becomes
from atelier_messaging.topology import INSTALLATION

from .conftest import Begin
from .server import Recorder, Server, request


@pytest.fixture
async def installation(server: Server) -> AsyncIterator[str]:
    """A mark of this test's own on the broker."""
    await server.channel.queue_delete(INSTALLATION)
    yield f"majority-{uuid4().hex}"
    await server.channel.queue_delete(INSTALLATION)


@pytest.fixture
def probed_often(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that stores nothing is noticed within two seconds."""
    for module in (majority, bus):
        monkeypatch.setattr(module, "PROBE_EVERY_S", 0.1)
    monkeypatch.setattr(majority, "CONFIRM_S_MAX", 0.3)


@pytest.mark.stack
@pytest.mark.usefixtures("probed_often", "first_address_first")
async def test_a_node_that_confirms_nothing_is_left_by_the_consumers_of_a_service_that_publishes_nothing(
    server: Server, begin: Begin, amqp_link: Link, other_link: Link, installation: str
) -> None:
    service = await begin(Recorder(), url=f"{amqp_link.url},{other_link.url}", installation=installation)
    assert b"test consume" in amqp_link.said and b"test consume" not in other_link.said

    amqp_link.hold_answers_to(INSTALLATION.encode())

    await becomes(True, lambda: _has_said(other_link, b"test consume"))
    await becomes(True, lambda: _has_said(other_link, b"test publish"))
    await becomes(True, service.ready)
    sent = request()
    await server.send(sent)
    await becomes([sent.id], server.effects)
    assert await service.publisher.publish_mark(installation) is PublishOutcome.CONFIRMED


@pytest.mark.stack
@pytest.mark.usefixtures("probed_often")
async def test_a_node_that_confirms_is_not_left(
    begin: Begin, amqp_link: Link, other_link: Link, installation: str
) -> None:
    await begin(Recorder(), url=f"{amqp_link.url},{other_link.url}", installation=installation)
    before = [link.said.count(b"connection_name") for link in (amqp_link, other_link)]

    await asyncio.sleep(1.5)  # fifteen probes, three times as long as a node may go without a confirm

    after = [link.said.count(b"connection_name") for link in (amqp_link, other_link)]
    assert sum(after) - sum(before) == 1  # that of the watch itself


@pytest.mark.stack
async def test_with_one_address_nothing_is_watched(begin: Begin, installation: str) -> None:
    await begin(Recorder(), installation=installation)

    assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("watch of")]


async def test_a_node_that_refuses_at_once_is_left_after_some_time_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(majority, "UNCONFIRMED_S_MAX", 0.2)
    run = UnconfirmedRun()

    refused_at_once = [run.add(0.0) for _ in range(100)]
    await asyncio.sleep(0.3)
    late = run.add(0.0)

    assert not any(refused_at_once)
    assert late
    assert not run.add(0.0)  # a run of its own, on the next node


async def test_one_publish_that_took_long_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(majority, "UNCONFIRMED_S_MAX", 10.0)
    run = UnconfirmedRun()

    assert [run.add(3_600.0), run.add(3.0)] == [False, True]


async def test_a_confirm_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(majority, "UNCONFIRMED_S_MAX", 0.0)
    run = UnconfirmedRun()

    before = [run.add(5.0)]
    run.end()
    after = [run.add(5.0), run.add(5.0)]

    assert before == [False]
    assert after == [False, True]


async def _has_said(link: Link, words: bytes) -> bool:
    return words in link.said
