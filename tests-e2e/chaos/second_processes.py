"""A second process of session and of billing beside the stack's own, killed and started again while faults happen.

With partitions each of the two soon has half of them, so each kill, here or of the stack's own, moves some.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

from atelier_local.errors import StackError
from atelier_local.launcher.replica import Replica
from atelier_local.launcher.stack import Stack
from whole_system.replicas import replica

SERVICES = ("session", "billing")
PAUSE_S = (5.0, 20.0)
"""Between two kills; longer than the two seconds in which a partition is handed over."""
START_AGAIN_S = 1.0


@dataclass
class SecondProcesses:
    """The processes, and how often they were killed and started again: more often where one ended for a broken part."""

    replicas: Sequence[Replica]
    rng: random.Random
    killed: int = 0
    starts: int = 0

    async def kill_again_and_again(self) -> None:
        """Until it is cancelled: one of them, then it is ready again."""
        while True:
            await asyncio.sleep(self.rng.uniform(*PAUSE_S))
            chosen = self.rng.choice(self.replicas)
            await self._kill(chosen)
            await self._bring_back(chosen)

    async def wait_until_ready(self) -> None:
        """Waits for all of them; raises StackError where one does not get ready though nothing is broken any more."""
        for each in self.replicas:
            self._start_again(each)
            await each.wait_until_ready()

    async def _bring_back(self, replica: Replica) -> None:
        """Starts it, as often as it ends before it is ready: what it needs may be broken."""
        is_ready = False
        while not is_ready:
            self._start_again(replica)
            with suppress(StackError):
                await replica.wait_until_ready()
                is_ready = True
            await asyncio.sleep(START_AGAIN_S)

    def _start_again(self, replica: Replica) -> None:
        assert replica.process is not None
        if replica.process.poll() is not None:
            self.starts += 1
            replica.start()

    def __str__(self) -> str:
        return f"{' and '.join(SERVICES)}: killed {self.killed} times, started again {self.starts} times"

    async def _kill(self, replica: Replica) -> None:
        assert replica.process is not None
        if replica.process.poll() is None:
            replica.process.kill()
            self.killed += 1
        await replica.wait_until_ended()


@asynccontextmanager
async def open_second_processes(stack: Stack, rng: random.Random) -> AsyncIterator[SecondProcesses]:
    """They are ready; ended with the block. The steps at which the stack's own processes die are not theirs."""
    async with AsyncExitStack() as opened:
        replicas = [
            await opened.enter_async_context(replica(stack, service, ATELIER_FAILPOINTS="")) for service in SERVICES
        ]
        yield SecondProcesses(replicas, rng)
