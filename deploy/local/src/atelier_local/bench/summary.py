"""Samples to figures: medians with their range, and ratios to the first contender within the same round."""

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from atelier_local.bench.contenders import Sample


@dataclass(frozen=True, slots=True)
class Spread:
    """A median with its smallest and its largest value."""

    median: float
    low: float
    high: float

    def show(self, digits: int) -> str:
        """As in a table: ``12.3 (11.9–13.0)``."""
        if self.low == self.high:
            return f"{self.median:.{digits}f}"
        return f"{self.median:.{digits}f} ({self.low:.{digits}f}–{self.high:.{digits}f})"


@dataclass(frozen=True, slots=True)
class Figures:
    """One contender at one level. Ratios are to the first contender in the same round."""

    contender: str
    in_flight: int
    per_second: Spread
    ratio: Spread
    journey_ms: Spread | None
    journey_p99_ms: Spread | None
    admission_ms: Spread | None
    cpu_ms: Spread | None
    cpu_ratio: Spread | None
    components: dict[str, float]


def spread_of(values: Iterable[float]) -> Spread:
    """Raises StatisticsError where there is no value."""
    known = list(values)
    return Spread(statistics.median(known), min(known), max(known))


def summarise(samples: Sequence[Sample]) -> list[Figures]:
    """In the order of first appearance, level by level."""
    first = samples[0].contender
    base = {(s.in_flight, s.round): s for s in samples if s.contender == first}
    groups: dict[tuple[int, str], list[Sample]] = {}
    for sample in samples:
        groups.setdefault((sample.in_flight, sample.contender), []).append(sample)
    return [_figures(group, base) for _, group in sorted(groups.items(), key=lambda item: item[0][0])]


def _figures(group: Sequence[Sample], base: dict[tuple[int, int], Sample]) -> Figures:
    bases = [base[sample.in_flight, sample.round] for sample in group]
    paired = list(zip(group, bases, strict=True))
    has_cpu = all(sample.cpu_ms for sample in group)
    return Figures(
        contender=group[0].contender,
        in_flight=group[0].in_flight,
        per_second=spread_of(sample.per_second for sample in group),
        ratio=spread_of(sample.per_second / other.per_second for sample, other in paired),
        journey_ms=_of(group, lambda s: s.journeys_ms.get("p50")),
        journey_p99_ms=_of(group, lambda s: s.journeys_ms.get("p99")),
        admission_ms=_of(group, lambda s: s.admissions_ms.get("p50")),
        cpu_ms=_of(group, lambda s: sum(s.cpu_ms.values()) or None),
        cpu_ratio=spread_of(sum(s.cpu_ms.values()) / sum(o.cpu_ms.values()) for s, o in paired) if has_cpu else None,
        components={
            name: statistics.median(s.cpu_ms.get(name, 0.0) for s in group)
            for name in sorted({name for s in group for name in s.cpu_ms})
        },
    )


def _of(group: Sequence[Sample], value: Callable[[Sample], float | None]) -> Spread | None:
    known = [number for sample in group if (number := value(sample)) is not None]
    return spread_of(known) if known else None
