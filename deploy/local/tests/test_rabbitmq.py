"""RabbitMQ: ours alone, loopback only, and a message survives the node."""

from collections.abc import Iterator
from pathlib import Path

import aio_pika
import pytest

from atelier_local.errors import StackError
from atelier_local.launcher import rabbitmq
from atelier_local.launcher.processes import find_marked
from atelier_local.launcher.stack import Stack

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack("one", root=tmp_path_factory.mktemp("run"), only=["rabbitmq"]) as stack:
        yield stack


async def test_a_message_in_a_quorum_queue_survives_the_node(stack: Stack) -> None:
    url = stack.environment()["ATELIER_AMQP_URL"]
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.declare_queue("kept", durable=True, arguments={"x-queue-type": "quorum"})
        message = aio_pika.Message(b"hello", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
        await channel.default_exchange.publish(message, "kept")

    stack.stop_part("rabbitmq")
    stack.start_part("rabbitmq")

    async with await aio_pika.connect(url) as connection:
        queue = await (await connection.channel()).get_queue("kept")
        message_again = await queue.get(timeout=10)
        assert message_again.body == b"hello"


async def test_there_is_no_guest(stack: Stack) -> None:
    ours = stack.environment()["ATELIER_AMQP_URL"]

    assert await rabbitmq.is_ready(ours)
    assert not await rabbitmq.is_ready(f"amqp://guest:guest@127.0.0.1:{stack.profile.ports['rabbitmq']}/")


def test_nothing_of_it_listens_beyond_this_machine(stack: Stack) -> None:
    inodes = {link for pid in find_marked(str(stack.home)) for link in _sockets(pid)}
    tcp_addresses = [
        line.split()[1].rpartition(":")[0]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and f"socket:[{line.split()[9]}]" in inodes
    ]

    assert len(tcp_addresses) >= 3  # AMQP, Erlang's distribution, its port mapper
    assert set(tcp_addresses) <= {"0100007F", "00000000000000000000000001000000"}


def test_another_stack_is_refused_the_virtual_host_and_says_why(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ATELIER_AMQP_URL", stack.environment()["ATELIER_AMQP_URL"])
    other = Stack("two", root=tmp_path, only=["rabbitmq"])

    with pytest.raises(StackError, match="virtual host belongs to another installation of Atelier"):
        other.up()

    other.clean()
    assert stack.status()


def test_down_ends_the_port_mapper_too(stack: Stack) -> None:
    mapper = stack.pid("epmd")
    assert mapper

    stack.down()

    assert not Path(f"/proc/{mapper}").exists()
    assert find_marked(str(stack.home)) == []


def _sockets(pid: int) -> list[str]:
    found = []
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            found.append(str(link.readlink()))
        except OSError:
            continue
    return found
