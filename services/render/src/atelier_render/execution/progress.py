"""Progress of renders, published at most once a second each, all of them in one commit.

Reporting writes a number into memory; a loop publishes what has changed. Progress that is not published
before the end never is: the end says more.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from atelier_contracts import RenderProgressed
from atelier_messaging import UnitOfWork
from atelier_render.jobs import Attempt

TELL_EVERY_S = 1.2
"""Not less than a second apart, the loop's jitter included."""


@dataclass(slots=True)
class _Report:
    attempt: Attempt
    percent: int = 0
    told: int = 0


class Progress:
    """What the attempts of one process report. Percentages never fall within an attempt."""

    def __init__(self, unit: UnitOfWork) -> None:
        self._unit = unit
        self._reports: dict[str, _Report] = {}

    @contextmanager
    def of(self, attempt: Attempt) -> Iterator[Callable[[int], None]]:
        """What an attempt reports by, for as long as it is at work."""
        report = _Report(attempt)

        def tell(percent: int) -> None:
            report.percent = max(report.percent, min(percent, 100))

        self._reports[attempt.job.key] = report
        try:
            yield tell
        finally:
            del self._reports[attempt.job.key]

    async def tell(self) -> None:
        """Emits what has changed since the last time."""
        news = [report for report in self._reports.values() if report.percent > report.told]
        if not news:
            return
        async with self._unit.once() as tx:
            for report in news:
                report.told = report.percent
                event = RenderProgressed(generation_id=report.attempt.job.generation_id, progress=report.percent)
                tx.emit(event, cause=report.attempt.span)
