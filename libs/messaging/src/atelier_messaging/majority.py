"""Leaves a broker node that lives and stores nothing, because a split has cut it off from the other nodes.

A node before 4.3 can be told to stop in that case (``pause_minority``). From 4.3 on it keeps its clients: what they
publish is never confirmed, and consumers receive nothing, with no sign of it on their connection. So a message is
published again and again whose confirmation needs most of the nodes: the mark of the virtual host, whose queue holds
one message. On the publisher's connection by the publisher itself; for the consumers over a second connection to their
node, since a broker that throttles publishers must not stop acknowledgements.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

import aiormq
from aiormq.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import AMQPError
from pamqp.commands import Basic
from pamqp.common import FieldTable
from yarl import URL

from atelier_messaging.connection import CONNECT_S_MAX, BrokerConnection, Line, is_blocked
from atelier_messaging.topology import INSTALLATION

PROBE_EVERY_S = 3.0
CONFIRM_S_MAX = 3.0
PAUSE_S = 0.1
CLOSE_S_MAX = 1.0
UNCONFIRMED_MAX = 2
UNCONFIRMED_S_MAX = 10.0
"""A node is left that has confirmed none of this many publishes in a row, and nothing for so long. Nodes that elect a
new leader refuse publishes meanwhile, many a second; after the loss of a node that takes up to ten seconds. A process
that did not run for a while has one publish that took long."""
logger = logging.getLogger(__name__)


class UnconfirmedRun:
    """How often, and for how long, the present node has confirmed nothing."""

    def __init__(self) -> None:
        self._count = 0
        self._since = 0.0

    def add(self, took_s: float) -> bool:
        """After a publish that took so long without a confirm: whether to leave the node. The run is over then."""
        now = asyncio.get_running_loop().time()
        self._since = self._since if self._count else now - took_s
        self._count += 1
        is_over = self._count >= UNCONFIRMED_MAX and now - self._since >= UNCONFIRMED_S_MAX
        if is_over:
            self.end()
        return is_over

    def end(self) -> None:
        """After a confirm, or on another node."""
        self._count = 0


class Watched(Protocol):
    """The consumers' connection, once there is one."""

    @property
    def opened(self) -> BrokerConnection | None:
        """Under way, or usable."""
        ...


class ConsumerNodeWatch:
    """Makes the consumers leave a node that stores nothing. ``name`` is that of its own connection."""

    def __init__(self, consumers: Watched, installation: str, name: str) -> None:
        self._consumers = consumers
        self._installation = installation
        self._name = name
        self._unconfirmed = UnconfirmedRun()
        self._line = Line()
        self._node: URL | None = None
        self._connection: AbstractConnection | None = None
        self._channel: AbstractChannel

    async def run(self) -> None:
        """Without end; its own connection is closed when it is cancelled."""
        clock = asyncio.get_running_loop().time
        try:
            while True:
                began = clock()
                await self._look()
                await asyncio.sleep(max(PAUSE_S, began + PROBE_EVERY_S - clock()))
        finally:
            await self._disconnect()

    async def _look(self) -> None:
        consumers, clock = self._consumers.opened, asyncio.get_running_loop().time
        if consumers is None or not consumers.usable:
            return self._unconfirmed.end()
        connection = self._connection
        if connection is None or connection.is_closed or consumers.url != self._node:
            connection = await self._connect(consumers.url)
        if connection is None:
            return
        began = clock()
        if await self._is_confirmed():
            return self._unconfirmed.end()
        took_s = clock() - began
        if not await is_blocked(connection) and self._unconfirmed.add(took_s) and consumers.url == self._node:
            consumers.leave(f"it stores nothing: no confirm for {UNCONFIRMED_S_MAX:g} s and more")

    async def _connect(self, node: URL) -> AbstractConnection | None:
        """None where the node does not let us in, which says nothing about what it stores."""
        await self._disconnect()
        self._unconfirmed.end()
        properties: FieldTable = {"connection_name": self._name}
        with suppress(TimeoutError, OSError, AMQPError):
            async with asyncio.timeout(CONNECT_S_MAX):
                self._connection = await aiormq.connect(
                    node, client_properties=properties, transport_factory=self._line
                )
                self._channel = await self._connection.channel(publisher_confirms=True)
                self._node = node
                return self._connection
        await self._disconnect()
        return None

    async def _is_confirmed(self) -> bool:
        try:
            async with asyncio.timeout(CONFIRM_S_MAX):
                properties = Basic.Properties(message_id=self._installation)
                await self._channel.basic_publish(
                    b"", exchange=INSTALLATION, routing_key=self._installation, properties=properties
                )
        except (TimeoutError, OSError, AMQPError, RuntimeError):
            return False
        return True

    async def _disconnect(self) -> None:
        connection, self._connection, self._node = self._connection, None, None
        if connection is not None:
            with suppress(TimeoutError, OSError, AMQPError, RuntimeError):
                async with asyncio.timeout(CLOSE_S_MAX):
                    await connection.close()
        self._line.cut()
