"""A second process of a service beside the stack's own, its environment the same but for its ports."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import httpx

from atelier_local.errors import StackError

READY_S_MAX = 180.0
"""How long a process may take to start on a busy machine."""
PROBE_EVERY_S = 0.1
PROBE_S_MAX = 5.0
GRACE_S = 30.0
"""How long a process may take to end, as the launcher has it."""


@dataclass
class Replica:
    """One process of a service."""

    service: str
    url: str
    environment: dict[str, str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    def start(self) -> None:
        """Starts it; it is not ready yet."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", f"atelier_{self.service}"], env=self.environment, stdout=log, stderr=log
            )

    async def wait_until_ready(self) -> None:
        """Waits until it can be used. Raises StackError where it has ended or is not ready within ``READY_S_MAX``."""
        give_up_at = time.monotonic() + READY_S_MAX
        async with httpx.AsyncClient(trust_env=False, timeout=PROBE_S_MAX) as http:
            while not await self._is_ready(http):
                if self.process is None or self.process.poll() is not None:
                    raise StackError(f"a second process of {self.service} has ended; its log is {self.log}")
                if time.monotonic() > give_up_at:
                    raise StackError(f"a second process of {self.service} does not get ready; its log is {self.log}")
                await asyncio.sleep(PROBE_EVERY_S)

    def terminate(self) -> None:
        """SIGTERM."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    async def wait_until_ended(self) -> int:
        """Waits for its end; its exit status."""
        assert self.process is not None
        return await asyncio.to_thread(self.process.wait, GRACE_S)

    async def _is_ready(self, http: httpx.AsyncClient) -> bool:
        try:
            return (await http.get(f"{self.url}/health/ready")).status_code == 200
        except httpx.TransportError:
            return False


@asynccontextmanager
async def open_replica(service: str, pid: int, home: Path, **settings: str) -> AsyncIterator[Replica]:
    """A second process of the service whose own process is ``pid``, ready; ended with the block. Its log is in the
    profile's folder ``home``; ``settings`` go over those of the first."""
    environment = _environment_of(pid) | settings
    for name in environment:
        if name.startswith("ATELIER_") and name.endswith("_PORT"):
            environment[name] = str(_free_port())
    url = f"http://127.0.0.1:{environment[f'ATELIER_{service.upper()}_PORT']}"
    second = Replica(service, url, environment, home / f"second-{service}.log")
    second.start()
    try:
        await second.wait_until_ready()
        yield second
    finally:
        assert second.process is not None
        second.process.kill()
        second.process.wait()


def _environment_of(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    return dict(os.fsdecode(line).split("=", 1) for line in lines if b"=" in line)


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
