"""The shutdown of a process in steps: it is no longer ready, its waits end, it closes."""

from collections.abc import Callable


class Shutdown:
    """The state of this process's shutdown, and callbacks for it. ``serve`` drives it; the application subscribes."""

    def __init__(self) -> None:
        self._begun = False
        self._acts: list[Callable[[], object]] = []

    async def has_not_begun(self) -> bool:
        """A readiness check: False as soon as the shutdown begins."""
        return not self._begun

    def begin(self) -> None:
        """Marks the shutdown as begun; the process still answers."""
        self._begun = True

    def call_when_waits_end(self, act: Callable[[], object]) -> None:
        """Registers ``act`` to be called when every wait must end."""
        self._acts.append(act)

    def end_waits(self) -> None:
        """Calls the registered callbacks: the listener is about to close, and waiting requests must be answered."""
        for act in self._acts:
            act()
