"""The end of a process, in its steps: first it is no longer ready, then nobody waits any more, then it is gone."""

from collections.abc import Callable


class Shutdown:
    """Whether this process is to end, and what has to happen then. ``serve`` drives it; the application listens."""

    def __init__(self) -> None:
        self._begun = False
        self._acts: list[Callable[[], object]] = []

    async def has_not_begun(self) -> bool:
        """A readiness check: False as soon as the process has been asked to end."""
        return not self._begun

    def begin(self) -> None:
        """The process has been asked to end; it still answers."""
        self._begun = True

    def call_when_waits_end(self, act: Callable[[], object]) -> None:
        """Has ``act`` called when every wait is to end."""
        self._acts.append(act)

    def end_waits(self) -> None:
        """The listener is about to close: whatever waits is to answer now."""
        for act in self._acts:
            act()
