"""All child processes of one stack: started in order, stopped and killed one by one at will, all stopped in reverse."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from atelier_local.errors import StackError
from atelier_local.launcher.part import Part
from atelier_local.launcher.part_runner import Keeper, State


class Supervisor:
    """All parts of one stack. `changed` is called, on the loop, after each change of any of them."""

    def __init__(self, parts: Iterable[Part], logs: Path, changed: Callable[[], None] = lambda: None) -> None:
        self.keepers = {part.name: Keeper(part, logs / f"{part.name}.log", changed) for part in parts}

    def start(self) -> None:
        """Starts every part, each as soon as what it needs is ready."""
        for keeper in self.keepers.values():
            keeper.start(self._needed(keeper))

    async def stop(self) -> None:
        """Stops every part, each before what it needs; those that are independent together."""
        left = dict(self.keepers)
        while left:
            needed = {name for keeper in left.values() for name in keeper.part.needs}
            last = [keeper for name, keeper in left.items() if name not in needed]
            await asyncio.gather(*(keeper.stop() for keeper in last))
            for keeper in last:
                del left[keeper.part.name]

    async def start_part(self, name: str) -> None:
        """Starts a stopped part and waits until it is ready."""
        keeper = self._keeper(name)
        keeper.start(self._needed(keeper))
        await keeper.settled.wait()
        if keeper.state is State.FAILED:
            raise StackError(f"{name} did not start; its log is {keeper.log}")

    async def stop_part(self, name: str) -> None:
        """Stops a part; it is not started again until somebody asks."""
        await self._keeper(name).stop()

    def kill_part(self, name: str, sign: signal.Signals) -> None:
        """Sends a signal to the part's process and draws no conclusion from it."""
        pid = self._keeper(name).pid
        if pid is None:
            raise StackError(f"{name} has no process to send {sign.name} to")
        os.kill(pid, sign)

    def _keeper(self, name: str) -> Keeper:
        if name not in self.keepers:
            raise StackError(f"this stack has no part {name!r}; it has {', '.join(self.keepers)}")
        return self.keepers[name]

    def _needed(self, keeper: Keeper) -> list[Keeper]:
        return [self.keepers[name] for name in keeper.part.needs if name in self.keepers]
