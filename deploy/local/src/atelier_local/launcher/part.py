"""A part of the stack as data: what to run, when it counts as ready, how it is stopped. The supervisor decides."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

Probe = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, kw_only=True)
class Part:
    """One child process. A part without a probe is a task: it runs to its end once, and exit 0 is its readiness.
    A part without a command is an external server: the stack waits for it and sets it up, nothing more."""

    name: str
    command: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    user: int | None = None
    """Runs as this user and group instead of ours."""
    needs: tuple[str, ...] = ()
    """Parts that must be ready before the first start; those that are not in this stack count as ready."""
    prepare: Callable[[], None] | None = None
    """Blocking work on files before every start; safe to repeat."""
    probe: Probe | None = None
    settle: Callable[[], Awaitable[None]] | None = None
    """Work inside the part once it answers (roles, buckets), before others may use it; safe to repeat."""
    url: str = ""
    stop_signal: signal.Signals = signal.SIGTERM
    stop_grace_s: float = 10.0
    ready_timeout_s: float = 60.0

    @property
    def is_task(self) -> bool:
        """Whether it ends by itself."""
        return self.probe is None


async def port_is_open(port: int, host: str = "127.0.0.1") -> bool:
    """Whether something accepts a connection there."""
    try:
        _, writer = await asyncio.wait_for(asyncio.open_connection(host, port), 3.0)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True


async def http_is_ok(port: int, path: str) -> bool:
    """Whether a GET on loopback is answered with 200; ten lines, so that the supervisor stays small and idle."""
    try:
        async with asyncio.timeout(5.0):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
            status = (await reader.readline()).split(b" ", 2)
            writer.close()
    except (OSError, TimeoutError):
        return False
    return len(status) > 1 and status[1] == b"200"
