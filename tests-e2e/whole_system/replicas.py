"""A second process of a service beside the stack's own, settled_environment the same but for its ports."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import httpx

from atelier_local.launcher.stack import Stack
from whole_system.waits import NotYet, eventually

READY_S_MAX = 180.0
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
        """Waits until it can be used."""
        async with httpx.AsyncClient(trust_env=False, timeout=5) as http:

            async def find_ready() -> bool | NotYet:
                assert self.process is not None and self.process.poll() is None, f"it ended; its log is {self.log}"
                return (
                    True if await self._is_ready(http) else NotYet(f"{self.service} not ready; its log is {self.log}")
                )

            await eventually(find_ready, within_s=READY_S_MAX)

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
async def replica(stack: Stack, service: str, **settings: str) -> AsyncIterator[Replica]:
    """A second process of the service, ready; ended with the block."""
    pid = stack.pid(service)
    assert pid is not None, f"the stack runs no {service}"
    settled_environment = _environment_of(pid) | settings
    settled_environment |= {
        name: str(_free_port())
        for name in settled_environment
        if name.startswith("ATELIER_") and name.endswith("_PORT")
    }
    url = f"http://127.0.0.1:{settled_environment[f'ATELIER_{service.upper()}_PORT']}"
    second = Replica(service, url, settled_environment, stack.profile.home / f"second-{service}.log")
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
