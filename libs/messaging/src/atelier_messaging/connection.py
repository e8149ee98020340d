"""A connection to one broker of the cluster: it leaves a node that has gone silent and connects to the next.

A frozen node accepts connections and answers nothing, so every step has a time limit, and a node that sends nothing is
probed every ``PROBE_EVERY_S`` seconds. Heartbeats alone detect it after three intervals.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, SupportsIndex

import aio_pika
from aio_pika.abc import AbstractConnection
from aio_pika.robust_channel import RobustChannel
from aio_pika.robust_connection import RobustConnection
from aiormq.abc import AbstractChannel as RawChannel
from aiormq.abc import AbstractConnection as RawConnection
from aiormq.connection import TransportFactory
from aiormq.exceptions import AMQPConnectionError, AMQPError
from yarl import URL

from atelier_messaging.addresses import addresses_of, without_password

CONNECT_S_MAX = 5.0
"""For TCP, TLS and the AMQP handshake with one node."""
RESTORE_S_MAX = 10.0
"""For opening the channels and consumers again on a new connection."""
RECONNECT_S = 1.0
PROBE_EVERY_S = 2.0
SILENCE_S_MAX = 3.0
"""Seconds without a byte after a probe until the node is left."""
LISTEN_S = 0.1
"""Longest that one look for a byte counts: a process that was stopped during it did not listen."""
BLOCKED_S = 0.05
READ_AHEAD_BYTES = 65_536
STANDSTILL_S_MAX = CONNECT_S_MAX + RESTORE_S_MAX + 5.0
"""Longer than one attempt may take. Starting over while no broker is available does no harm."""
OPEN_S_MAX = 2 * STANDSTILL_S_MAX
"""Until a service that has never been connected gives up and ends, to be started again."""
_RECONNECTING, _RECONNECT = "_RobustConnection__reconnection_task", "_RobustConnection__connection_factory"
logger = logging.getLogger(__name__)

Preparation = Callable[[RawConnection], Awaitable[None]]
"""Done on every new connection before it counts as usable."""


class _Channel(RobustChannel):
    """A channel that was closed opens itself again, and holds its lock while it waits for the end of an alarm. If the
    connection is lost in the alarm, that wait has no end, and each new connection would wait for the lock."""

    async def restore(self, channel: Any = None) -> None:
        async with asyncio.timeout(CONNECT_S_MAX):
            await super().restore(channel)


class BrokerConnection(RobustConnection):
    """Robust: it comes back by itself until it is closed, each time to the next address."""

    CHANNEL_CLASS = _Channel

    def __init__(self, addresses: Sequence[str], name: str, preparations: Sequence[Preparation] = ()) -> None:
        self._addresses = [URL(address) for address in addresses]
        # At random: else all services of an installation would connect to the first node.
        self._turn = random.randrange(len(self._addresses))
        super().__init__(
            self._addresses[self._turn],
            client_properties={"connection_name": name},
            reconnect_interval=RECONNECT_S,
            fail_fast=False,
        )
        self._line = Line()
        self.kwargs["transport_factory"] = self._line
        self._name = name
        self._preparations = preparations
        self._usable = asyncio.Event()
        self._failures: list[str] = []
        self._refused_by_all = asyncio.Event()
        self._watching: asyncio.Task[None] | None = None
        self._guarding: asyncio.Task[None] | None = None

    @property
    def usable(self) -> bool:
        """Whether channels and consumers are in place right now."""
        return self._usable.is_set()

    async def open(self) -> None:
        """Connects to the first address that accepts us; raises ConnectionError when none does in ``OPEN_S_MAX``."""
        self._guarding = asyncio.create_task(self._guard(), name=f"{self._name} guard")
        try:
            await self.connect(timeout=CONNECT_S_MAX)
        except BaseException:
            await self.close()
            raise

    async def connect(self, timeout: float | None = None) -> None:
        """As ``open``; it can be cancelled at any point."""
        opening = asyncio.ensure_future(super().connect(timeout=timeout or CONNECT_S_MAX))
        up, refused = asyncio.ensure_future(self._usable.wait()), asyncio.ensure_future(self._refused_by_all.wait())
        try:
            await asyncio.wait((up, refused), timeout=OPEN_S_MAX, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in (opening, up, refused):
                waiting.cancel()
            await asyncio.gather(opening, up, refused, return_exceptions=True)
        if not self.usable:
            failures = "; ".join(self._failures) or f"none has answered within {OPEN_S_MAX:g} s"
            raise ConnectionError(f"no broker of ATELIER_AMQP_URL accepts us: {failures}")

    def leave(self, why: str) -> None:
        """Leaves this node at once, without a close that it might not answer, and connects to the next."""
        address = without_password(str(self.url))
        logger.warning("%s: the broker at %s failed (%s), connecting to the next address", self._name, address, why)
        self._line.cut()

    async def close(self, exc: Any = asyncio.CancelledError) -> None:
        """Closes the connection and does not reconnect."""
        if self._guarding is not None:
            self._guarding.cancel()
        if self._watching is not None:
            self._watching.cancel()
        await super().close(exc)

    async def _on_connection_close(self, closing: "asyncio.Future[Any]") -> None:
        self._usable.clear()
        if self._watching is not None:
            self._watching.cancel()
        self._record_failure(closing)
        self._turn = (self._turn + 1) % len(self._addresses)
        self.url = self._addresses[self._turn]
        await super()._on_connection_close(closing)

    async def _on_connected(self) -> None:
        assert self.transport is not None
        connection = self.transport.connection
        try:
            async with asyncio.timeout(RESTORE_S_MAX):
                await super()._on_connected()
                for prepare in self._preparations:
                    await prepare(connection)
        except BaseException:
            self._line.cut()
            raise
        self._failures.clear()
        self._usable.set()
        self._watching = asyncio.create_task(self._watch(connection), name=f"{self._name} watch")

    async def _guard(self) -> None:
        """Restarts a reconnection that has come to a standstill. Seen after a virtual host was deleted and created
        again: the library's loop waited for a loss that had been reported before, and the service received nothing."""
        clock = asyncio.get_running_loop().time
        lost_at = clock()
        while True:
            await asyncio.sleep(PROBE_EVERY_S)
            if self.usable:
                lost_at = clock()
            elif clock() - lost_at > STANDSTILL_S_MAX:
                logger.warning("%s: reconnecting failed for %g s, starting over", self._name, STANDSTILL_S_MAX)
                lost_at = clock()
                await self._start_over()

    async def _start_over(self) -> None:
        self._line.cut()
        self.transport = None
        reconnecting: asyncio.Task[None] | None = getattr(self, _RECONNECTING)
        if reconnecting is not None:
            reconnecting.cancel()
            await asyncio.wait([reconnecting], timeout=PROBE_EVERY_S)
        if reconnecting is None or reconnecting.done():
            setattr(self, _RECONNECTING, asyncio.create_task(getattr(self, _RECONNECT)()))
        self._request_recovery()

    def _record_failure(self, closing: "asyncio.Future[Any]") -> None:
        error = None if closing.cancelled() else closing.exception()
        self._failures.append(f"{without_password(str(self.url))}: {str(error) or type(error).__name__}")
        del self._failures[: -len(self._addresses)]
        if len(self._failures) == len(self._addresses):
            self._refused_by_all.set()

    async def _watch(self, connection: RawConnection) -> None:
        """Probes a silent node again and again; any byte from it is a sign of life."""
        clock, probe = asyncio.get_running_loop().time, _Probe(connection)
        try:
            while not connection.is_closed:
                await asyncio.sleep(PROBE_EVERY_S)
                probed_at = clock()
                if probed_at - self._line.received_at < PROBE_EVERY_S:
                    continue
                await self._listen(probe.ask(), probed_at)
                if self._line.received_at < probed_at and not await is_blocked(connection):
                    return self.leave(f"it has been silent for {SILENCE_S_MAX:g} s")
        finally:
            probe.end()

    async def _listen(self, answer: "asyncio.Task[Any]", since: float) -> None:
        """Returns at a byte, or after listening for ``SILENCE_S_MAX`` seconds. The time in which this process did not
        run (a paused machine, a blocked event loop) does not count: the node may have answered in it."""
        clock, listened_s = asyncio.get_running_loop().time, 0.0
        while listened_s < SILENCE_S_MAX and self._line.received_at < since and not answer.done():
            began = clock()
            await asyncio.wait([answer], timeout=LISTEN_S)
            listened_s += min(clock() - began, LISTEN_S)


class _Probe:
    """A request that every user may send and that changes nothing, on its own channel; one at a time."""

    def __init__(self, connection: RawConnection) -> None:
        self._connection = connection
        self._channel: RawChannel | None = None
        self._asking: asyncio.Task[None] | None = None

    def ask(self) -> "asyncio.Task[None]":
        """Done when there is an answer, or when the connection has ended."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return self._asking

    def end(self) -> None:
        """Cancels a probe under way."""
        if self._asking is not None:
            self._asking.cancel()

    async def _ask(self) -> None:
        with suppress(AMQPError, OSError, RuntimeError):
            if self._channel is None:
                self._channel = await self._connection.channel(publisher_confirms=False)
            await self._channel.basic_qos(prefetch_count=1)


class Line(TransportFactory):
    """The TCP connection under AMQP: when it last received a byte, and how to end it at once."""

    def __init__(self) -> None:
        self.received_at = 0.0
        self._transport: asyncio.Transport | None = None

    async def create(self, url: URL, **kwargs: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        loop, contexts = asyncio.get_running_loop(), kwargs.pop("ssl_context_provider")
        assert url.host and url.port  # aiormq fills in the scheme's usual port
        reader = _Reader(self, loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        context = await contexts.get_context() if url.scheme == "amqps" else None
        try:
            transport, _ = await loop.create_connection(lambda: protocol, url.host, url.port, ssl=context, **kwargs)
        except OSError as error:
            raise AMQPConnectionError(*error.args) from error
        self._transport = transport
        return reader, asyncio.StreamWriter(transport, protocol, reader, loop)

    def cut(self) -> None:
        """Ends the connection; unsent bytes are dropped."""
        if self._transport is not None:
            self._transport.abort()


class _Reader(asyncio.StreamReader):
    """Records when bytes arrive."""

    def __init__(self, line: Line, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=READ_AHEAD_BYTES, loop=loop)
        self._line, self._clock = line, loop

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        self._line.received_at = self._clock.time()
        super().feed_data(data)


async def connect_first(text: str) -> AbstractConnection:
    """A plain connection for one command, to the first broker of a list that answers. Raises the last error."""
    last: Exception = ConnectionError("no broker is named")
    for address in addresses_of(text):
        connection = aio_pika.Connection(URL(address))
        try:
            await connection.connect(timeout=CONNECT_S_MAX)
        except (OSError, AMQPError) as error:
            last = error
            await connection.close()
        else:
            return connection
    raise last


async def is_blocked(connection: RawConnection) -> bool:
    """Whether the broker has announced that it reads nothing for now, because its disk or memory is full."""
    try:
        async with asyncio.timeout(BLOCKED_S):
            await connection.ready()
    except TimeoutError:
        return True
    return False
