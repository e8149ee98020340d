"""All child processes of one stack: started in order, stopped and killed one by one at will, all stopped in reverse."""

import asyncio
import os
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from atelier_local.errors import StackError
from atelier_local.launcher.part import Part
from atelier_local.launcher.part_runner import PartRunner, PartState


class Supervisor:
    """All parts of one stack. ``changed`` is called, on the loop, after each change of any of them."""

    def __init__(self, parts: Iterable[Part], logs: Path, changed: Callable[[], None] = lambda: None) -> None:
        self.runners = {part.name: PartRunner(part, logs / f"{part.name}.log", changed) for part in parts}

    def start(self) -> None:
        """Starts every part, each as soon as what it needs is ready."""
        for runner in self.runners.values():
            runner.start(self._runners_needed_by(runner))

    async def stop(self) -> None:
        """Stops every part, each before what it needs; those that are independent together."""
        left = dict(self.runners)
        while left:
            needed = {name for runner in left.values() for name in runner.part.needs}
            last = [runner for name, runner in left.items() if name not in needed]
            await asyncio.gather(*(runner.stop() for runner in last))
            for runner in last:
                del left[runner.part.name]

    async def start_part(self, name: str) -> None:
        """Starts a stopped part and waits until it is ready."""
        runner = self._runner(name)
        runner.start(self._runners_needed_by(runner))
        await runner.settled.wait()
        if runner.state is PartState.FAILED:
            raise StackError(f"{name} did not start; its log is {runner.log}")

    async def stop_part(self, name: str, sign: signal.Signals | None = None) -> None:
        """Stops a part, by its own signal or by another; it stays stopped until ``start_part``."""
        await self._runner(name).stop(sign)

    def kill_part(self, name: str, sign: signal.Signals) -> None:
        """Sends a signal to the part's process and draws no conclusion from it."""
        pid = self._runner(name).pid
        if pid is None:
            raise StackError(f"{name} has no process to send {sign.name} to")
        os.kill(pid, sign)

    def _runner(self, name: str) -> PartRunner:
        if name not in self.runners:
            raise StackError(f"this stack has no part {name!r}; it has {', '.join(self.runners)}")
        return self.runners[name]

    def _runners_needed_by(self, runner: PartRunner) -> list[PartRunner]:
        return [self.runners[name] for name in runner.part.needs if name in self.runners]
