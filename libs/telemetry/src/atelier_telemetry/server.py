"""uvicorn's server with an end in steps: SIGTERM ends it in any phase.

A start-up that hangs is given up, a running process drains first (``Shutdown``), and one that has not ended in time is
killed, so that it never takes longer than its supervisor's grace period.
"""

import asyncio
import logging
import os
import select
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from socket import socket
from types import FrameType

import uvicorn

from atelier_telemetry.shutdown import Shutdown

END_S_MAX = 17.0
"""How long a process may take to end beside its draining; then it is killed. A supervisor's grace is longer."""
LOOK_EVERY_S = 0.1
TICK_S = 1.0
"""How often the date in the header of answers is renewed; it counts whole seconds."""
QUIET_LOOKS = 3
ACCEPT_S_MAX = 3.0
"""How long after the draining connections are accepted that the kernel has already opened."""
FIRST_REQUEST_S_MAX = 2.0
"""How long after the listeners have closed an accepted connection may take to send its first request."""
STARTUP_FAILED = 3
"""How the process ends then: uvicorn's own code."""
logger = logging.getLogger(__name__)


class Server(uvicorn.Server):
    """uvicorn's, with an end in steps."""

    def __init__(self, config: uvicorn.Config, stop: Shutdown, drain_s: float) -> None:
        super().__init__(config)
        self._stop = stop
        self._drain_s = drain_s
        self._signal = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the end; a second one cuts the draining short."""
        if self.should_exit:
            self._drain_s = 0.0
        else:
            self._stop.begin()
            _kill_after(self._drain_s + END_S_MAX)
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._signal.set)

    async def main_loop(self) -> None:
        """As uvicorn's own, which looks for a signal ten times a second, a good part of what an idle service computes.
        Here the signal ends the wait, and a tick renews the date of answers."""
        self._loop = asyncio.get_running_loop()
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                async with asyncio.timeout(TICK_S):
                    await self._signal.wait()

    async def startup(self, sockets: list[socket] | None = None) -> None:
        """Starts, unless a signal ends it before: start-up may wait for something that never comes."""
        starting = asyncio.ensure_future(self._startup_failed(sockets))
        while not starting.done() and not self.should_exit:
            await asyncio.wait([starting], timeout=LOOK_EVERY_S)
        if not starting.done():
            logger.warning("start-up interrupted by a signal, stopping")
            starting.cancel()
        elif await starting:
            raise SystemExit(STARTUP_FAILED)

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Drains, ends the waits, then closes."""
        headers = self.server_state.default_headers
        # A client that keeps its connection open goes to another replica with its next request.
        self.server_state.default_headers = [*headers, (b"connection", b"close")]
        clock = asyncio.get_running_loop().time
        until = clock() + self._drain_s
        while clock() < until and self._drain_s:  # noqa: ASYNC110 - a second signal sets no event of the loop
            await asyncio.sleep(LOOK_EVERY_S)
        await _accept_the_rest(sockets or [])
        for server in self.servers:
            server.close()
        await self._await_first_requests()
        self._stop.end_waits()
        await super().shutdown(sockets)

    async def _await_first_requests(self) -> None:
        """Waits for the requests of accepted connections: closing one that has sent none would lose its request to a
        reset, which its client cannot distinguish from a request that was handled."""
        clock = asyncio.get_running_loop().time
        until = clock() + FIRST_REQUEST_S_MAX
        while clock() < until and any(_awaits_first_request(each) for each in self.server_state.connections):  # noqa: ASYNC110 - no event says it
            await asyncio.sleep(LOOK_EVERY_S)

    async def _startup_failed(self, sockets: list[socket] | None) -> bool:
        """Whether start-up failed; a SystemExit inside a task would end the loop behind our back."""
        try:
            await super().startup(sockets)
        except SystemExit:
            return True
        return False


def _awaits_first_request(connection: object) -> bool:
    """uvicorn's HTTP protocols keep the request in progress, or the last one, as ``cycle``."""
    return getattr(connection, "cycle", connection) is None


async def _accept_the_rest(sockets: Sequence[socket]) -> None:
    """What waits in a listener's queue is reset when the listener closes: its client would get no answer at all."""
    clock = asyncio.get_running_loop().time
    until, quiet = clock() + ACCEPT_S_MAX, 0
    while quiet < QUIET_LOOKS and clock() < until:
        await asyncio.sleep(LOOK_EVERY_S)  # also lets the requests of what was just accepted be read
        waiting, _, _ = select.select(sockets, [], [], 0)
        quiet = 0 if waiting else quiet + 1


def _kill_after(seconds: float) -> None:
    """For a process that cannot end: all that it still waits for survives without it."""

    def kill() -> None:
        logger.error("shutdown failed to end within %.0f s, killing the process", seconds)
        os.kill(os.getpid(), signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
