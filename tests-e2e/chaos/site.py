"""What faults act on: the running stack, the tap on its bus, and what a fault itself found violated."""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

from atelier_local.launcher.stack import Stack
from atelier_messaging.link import Link
from chaos.tap import Tap
from whole_system.world import World

ALL_READY_S_MAX = 60.0


@dataclass
class Site:
    """What faults act on."""

    stack: Stack
    tap: Tap
    failpoints: Path
    rng: random.Random
    world: World | None = None
    link: Link | None = None
    """The gateway's way to the broker, where it goes by one."""
    poisoned: int = 0
    """Poison messages laid so far: each must be found in a grave."""
    broken: list[str] = field(default_factory=list)
    """What a fault itself found violated."""

    async def ready(self) -> None:
        """Waits until every part can be used."""
        async with asyncio.timeout(ALL_READY_S_MAX):
            while not ((status := await asyncio.to_thread(self.stack.status)) and status.up):  # noqa: ASYNC110
                await asyncio.sleep(0.1)
