"""What faults act on: the running stack, the recorder on its bus, and what a fault itself found violated."""

import asyncio
import random
from dataclasses import dataclass, field
from pathlib import Path

from atelier_local.launcher.stack import Stack
from atelier_messaging.link import Link
from chaos.message_recorder import MessageRecorder
from whole_system.waits import NotYet, eventually
from whole_system.world import World

ALL_READY_S_MAX = 60.0
USABLE = ("ready", "done")
LOG_LINES = 60


@dataclass
class Site:
    """What faults act on."""

    stack: Stack
    recorder: MessageRecorder
    failpoints: Path
    rng: random.Random
    world: World | None = None
    link: Link | None = None
    """The gateway's way to the broker, where it goes by one."""
    poisoned: int = 0
    """Poison messages laid so far: each must become a dead letter."""
    broken: list[str] = field(default_factory=list)
    """What a fault itself found violated."""

    async def wait_until_ready(self) -> None:
        """Waits until every part can be used."""

        async def find_all_up() -> bool | NotYet:
            status = await asyncio.to_thread(self.stack.status)
            return True if status and status.up else NotYet(status)

        try:
            await eventually(find_all_up, within_s=ALL_READY_S_MAX)
        except TimeoutError as error:
            error.add_note(await asyncio.to_thread(self._log_of_unready_parts))
            raise

    def _log_of_unready_parts(self) -> str:
        """What each part that cannot be used has logged last: the stack is removed before anyone can look."""
        status = self.stack.status()
        unready = [part.name for part in status.parts if part.state not in USABLE] if status else []
        logs = {name: self.stack.profile.logs / f"{name}.log" for name in unready}
        tails = {name: log.read_text(errors="replace").splitlines()[-LOG_LINES:] for name, log in logs.items()}
        return "\n".join(line for name, tail in tails.items() for line in (f"last lines of {name}:", *tail))
