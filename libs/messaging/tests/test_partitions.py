"""Several processes share a queue in partitions: each key stays in its order, and nothing is lost when one dies."""

import asyncio
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import aio_pika
import pytest
from aiormq.exceptions import ChannelAccessRefused
from pydantic import SecretStr

from atelier_contracts import CancelRequested, wrap
from atelier_contracts.partitions import in_partition, partition_of, routing_key_of
from atelier_contracts.routes import SERVICES, SESSION_SAGA
from atelier_messaging import BrokerSettings, Bus, topology
from atelier_messaging.database import Pool
from atelier_messaging.partitions import find_partitions, share_of
from atelier_messaging.publisher import OutgoingMessage, Publisher, PublishOutcome
from atelier_messaging.senders import OPERATOR
from atelier_messaging.testing import becomes

from .server import Recorder

pytestmark = pytest.mark.stack
HERE = Path(__file__).parent
HANDLED = "CREATE TABLE handled (position bigserial, process text, key uuid, number int)"
PARTITIONS, NUMBERS = 4, 50
KEYS = 41
"""Odd, so that two consumers of one queue, given messages in turn, would both be given each key."""
KILLED_AFTER = 150
"""Messages that the process has handled of the load."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A broker of this module's own, with a user for each service."""
    from atelier_local.launcher.stack import Stack

    with Stack("partitions", root=tmp_path_factory.mktemp("partitions"), only=["rabbitmq"], env={}) as running:
        yield running


@pytest.fixture
def urls(stack: Any) -> Mapping[str, str]:
    """The broker's address for each of its users."""
    from atelier_local.launcher.rabbitmq import amqp_url

    return {user: amqp_url(stack.profile, user) for user in (OPERATOR, *SERVICES)}


@pytest.fixture
async def declared(urls: Mapping[str, str], stack: Any) -> AsyncIterator[str]:
    """The operator's address of a broker with one partition and nothing in its queues."""
    url = urls[OPERATOR]
    yield url
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        for partition in range(PARTITIONS):
            await channel.queue_delete(in_partition(SESSION_SAGA, partition))
        await (await channel.get_queue(SESSION_SAGA)).purge()
    await topology.declare_at(url, None)


@pytest.fixture
async def publisher(declared: str, urls: Mapping[str, str]) -> AsyncIterator[Publisher]:
    """Publishes as the gateway."""
    made = Publisher(urls["gateway"], "gateway")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def observer(declared: str, urls: Mapping[str, str]) -> AsyncIterator[Publisher]:
    """Looks at the queues as the session: RabbitMQ 4.3 shows them to their owner alone."""
    made = Publisher(urls["session"], "session")
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def handled(pool: Pool) -> AsyncIterator[Pool]:
    """The database, with what the processes write down."""
    await pool.execute(HANDLED)
    yield pool
    await pool.execute("DROP TABLE handled")


def test_one_partition_is_the_topology_that_was_before_there_were_several(stack: Any, declared: str) -> None:
    expected = json.loads((HERE / "undivided_topology.json").read_text())

    before = _definitions(stack)
    asyncio.run(topology.declare_at(declared, None, PARTITIONS))
    between = _definitions(stack)
    asyncio.run(topology.declare_at(declared, None, 1))
    after = _definitions(stack)

    assert before == expected
    assert after == expected
    added = set(between["queues"]) - set(expected["queues"])
    assert len(added) == 2 * PARTITIONS + 1  # of two queues, and the mark
    assert {name: between["queues"][name] for name in expected["queues"]} == expected["queues"]
    assert [each for each in expected["bindings"] if each not in between["bindings"]] == []


@pytest.mark.parametrize(("declaring", "wanting"), [(1, 2), (2, 1), (2, 4), (4, 2)])
async def test_a_service_with_another_number_than_the_topology_does_not_start(
    declared: str, urls: Mapping[str, str], pool: Pool, declaring: int, wanting: int
) -> None:
    await topology.declare_at(declared, None, declaring)
    service = _bus(urls["billing"], pool, wanting)

    with pytest.raises(topology.OtherTopology, match=f"ATELIER_PARTITIONS is {wanting}, but .* another number"):
        await service.start()
    await service.stop()


async def test_what_was_sent_with_another_number_is_consumed_before_its_queues_go(
    declared: str, urls: Mapping[str, str], pool: Pool, publisher: Publisher, observer: Publisher
) -> None:
    await topology.declare_at(declared, None, PARTITIONS)
    sent = [_cancel(uuid4(), number, partitions) for partitions in (1, PARTITIONS) for number in range(20)]
    assert set(await publisher.publish(sent)) == {PublishOutcome.CONFIRMED}
    await topology.declare_at(declared, None, 2)
    await topology.declare_at(declared, None, 1)
    service, handler = Bus("session", _settings(urls["session"], 1), pool), Recorder()
    service.consume(SESSION_SAGA, handler)
    held = await _partitions_of(observer)

    await service.start()
    await becomes({outgoing.message_id for outgoing in sent}, lambda: _effects(pool))
    await topology.declare_at(declared, None, 1)
    consumed = await _partitions_of(observer)
    await service.stop()
    await becomes([], lambda: _declare_again(declared, observer))

    assert len(held) == len(consumed) == PARTITIONS  # they stay while they hold something or are consumed


async def test_a_partition_is_written_and_read_by_those_of_its_undivided_queue_alone(
    declared: str, urls: Mapping[str, str]
) -> None:
    await topology.declare_at(declared, None, PARTITIONS)
    outgoing = _cancel(uuid4(), 1, PARTITIONS)
    outcomes, readers = {}, set()

    for service in SERVICES:
        publisher = Publisher(urls[service], service)
        await publisher.start()
        outcomes[service] = (await publisher.publish([outgoing]))[0]
        await publisher.stop()
        async with await aio_pika.connect(urls[service]) as connection:
            with suppress(ChannelAccessRefused):
                queue = await (await connection.channel()).get_queue(in_partition(SESSION_SAGA, 0), ensure=False)
                await queue.consume(asyncio.Queue[object]().put)
                readers.add(service)

    refused = dict.fromkeys(("session", "billing", "render"), PublishOutcome.UNKNOWN)
    assert outcomes == {"gateway": PublishOutcome.CONFIRMED, **refused}
    assert readers == {"session"}


@pytest.mark.timeout(300)
async def test_order_within_a_key_is_kept_while_a_process_is_killed_and_its_partitions_move(
    declared: str, urls: Mapping[str, str], database_url: str, handled: Pool, publisher: Publisher, observer: Publisher
) -> None:
    await topology.declare_at(declared, None, PARTITIONS)
    keys = [uuid4() for _ in range(KEYS)]
    with _process(urls, database_url, "first") as first, _process(urls, database_url, "second"):
        await becomes(2, lambda: _processes(observer))
        number = await _publish_until_shared(publisher, handled, keys)
        before = await handled.fetchval("SELECT count(*) FROM handled WHERE process = 'first'")
        sent = [_cancel(key, at, PARTITIONS) for at in range(number, number + NUMBERS) for key in keys]
        for start in range(0, len(sent), 100):
            assert set(await publisher.publish_window(sent[start : start + 100])) == {PublishOutcome.CONFIRMED}
        await becomes(True, lambda: _has_handled(handled, "first", more_than=before + KILLED_AFTER))
        first.kill()
        await becomes(KEYS * (number + NUMBERS), lambda: handled.fetchval("SELECT count(*) FROM handled"), 200)

    rows = await handled.fetch("SELECT process, key, number FROM handled ORDER BY position")
    numbers, processes = defaultdict(list), defaultdict(set)
    for row in rows:
        numbers[row["key"]].append(row["number"])
        processes[partition_of(CancelRequested(generation_id=row["key"]), PARTITIONS)].add(row["process"])
    assert set(map(tuple, numbers.values())) == {tuple(range(number + NUMBERS))}
    assert {"first", "second"} in processes.values(), "no partition has moved"


@pytest.mark.parametrize(("partitions", "processes", "share"), [(4, 1, 4), (4, 2, 2), (4, 3, 2), (2, 4, 1), (4, 0, 4)])
def test_the_shares_of_all_processes_are_enough_for_all_partitions(partitions: int, processes: int, share: int) -> None:
    assert share_of(partitions, processes) == share


def _settings(url: str, partitions: int) -> BrokerSettings:
    return BrokerSettings(amqp_url=SecretStr(url), partitions=partitions)


def _bus(url: str, pool: Pool, partitions: int) -> Bus:
    return Bus("billing", _settings(url, partitions), pool)


def _cancel(key: UUID, number: int, partitions: int) -> OutgoingMessage:
    envelope = wrap(CancelRequested(generation_id=key, reason=str(number)), source="atelier/gateway")
    routing_key = routing_key_of(envelope.message, partitions)
    return OutgoingMessage(envelope.body.encode(), envelope.headers, str(envelope.id), routing_key)


@contextmanager
def _process(urls: Mapping[str, str], database_url: str, name: str) -> Iterator["subprocess.Popen[bytes]"]:
    words = [str(HERE / "partition_process.py"), urls["session"], database_url, str(PARTITIONS), name]
    running = subprocess.Popen([sys.executable, *words])
    try:
        yield running
    finally:
        running.kill()
        running.wait()


async def _publish_until_shared(publisher: Publisher, handled: Pool, keys: list[UUID]) -> int:
    """One message a key, again and again, until both processes have handled some; the next number."""
    number = 0

    async def both_have_some() -> int:
        nonlocal number
        await publisher.publish_window([_cancel(key, number, PARTITIONS) for key in keys])
        number += 1
        await becomes(KEYS * number, lambda: handled.fetchval("SELECT count(*) FROM handled"))
        return int(await handled.fetchval("SELECT count(DISTINCT process) FROM handled"))

    await becomes(2, both_have_some)
    return number


async def _has_handled(handled: Pool, process: str, *, more_than: int) -> bool:
    found = await handled.fetchval("SELECT count(*) FROM handled WHERE process = $1", process)
    return int(found) > more_than


async def _processes(observer: Publisher) -> int:
    """How many processes consume the queue: each consumes the undivided one, too."""
    depth = await observer.measure(SESSION_SAGA)
    return depth.consumers if depth else 0


async def _partitions_of(observer: Publisher) -> list[str]:
    return await find_partitions(observer, SESSION_SAGA)


async def _declare_again(url: str, observer: Publisher) -> list[str]:
    await topology.declare_at(url, None, 1)
    return await _partitions_of(observer)


async def _effects(pool: Pool) -> set[str]:
    return {str(row["message_id"]) for row in await pool.fetch("SELECT message_id FROM effects")}


def _definitions(stack: Any) -> dict[str, Any]:
    """Exchanges, queues and bindings, as the broker exports them; those aside that are there for everybody."""
    from atelier_local.launcher import rabbitmq_node

    profile = stack.profile
    command = rabbitmq_node.release(profile).script.with_name("rabbitmqctl")
    environment = rabbitmq_node.environment(profile, "rabbitmq")
    line = [str(command), "export_definitions", "--silent", "-"]
    found = json.loads(subprocess.run(line, env=environment, capture_output=True, check=True).stdout)
    bindings = sorted((each["source"], each["destination"], each["routing_key"]) for each in found["bindings"])
    return {
        "exchanges": {each["name"]: each["type"] for each in found["exchanges"]},
        "queues": {
            each["name"]: each["arguments"] for each in found["queues"] if each["name"] != topology.INSTALLATION
        },
        "bindings": [list(each) for each in bindings if each[1] != topology.INSTALLATION],
    }
