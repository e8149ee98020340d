"""The figures as Markdown, for a terminal and for the book."""

from collections.abc import Mapping, Sequence

from atelier_local.bench.counters import Counts
from atelier_local.bench.summary import Figures, Spread


def rates_table(figures: Sequence[Figures]) -> list[str]:
    """Generations a second, the ratio to the first contender, and the journey, level by level."""
    levels = sorted({each.in_flight for each in figures})
    lines = _head(["generations/s; × the first; journey p50 / p99 ms", *(f"{level} in flight" for level in levels)])
    for name in dict.fromkeys(each.contender for each in figures):
        cells = [_rate_cell(_find(figures, name, level)) for level in levels]
        lines.append(_row([name, *cells]))
    return lines


def cpu_table(figures: Sequence[Figures]) -> list[str]:
    """Processor milliseconds of one generation, in all and by component."""
    measured = [each for each in figures if each.cpu_ms is not None]
    components = sorted({name for each in measured for name in each.components})
    lines = _head(["CPU ms a generation", "all", "× the first", *components])
    for each in measured:
        parts = [f"{each.components.get(name, 0.0):.2f}" for name in components]
        lines.append(
            _row(
                [
                    f"{each.contender}, {each.in_flight} in flight",
                    _show(each.cpu_ms, 2),
                    _show(each.cpu_ratio, 2),
                    *parts,
                ]
            )
        )
    return lines


def counts_table(counted: Mapping[tuple[str, int], Counts]) -> list[str]:
    """What one generation costs in things that are counted; by build and level."""
    services = sorted({name for counts in counted.values() for name in counts.by_service})
    lines = _head(["counted for a generation", "statements", *services, "commits", "frames", "messages", "WAL kB"])
    for (name, level), counts in counted.items():
        each = [f"{counts.by_service.get(service, 0.0):.1f}" for service in services]
        rest = [
            f"{counts.commits:.2f}",
            f"{counts.frames:.2f}",
            f"{counts.messages:.2f}",
            f"{counts.wal_bytes / 1e3:.1f}",
        ]
        lines.append(_row([f"{name}, {level} in flight", f"{counts.statements:.1f}", *each, *rest]))
    return lines


def _rate_cell(each: Figures | None) -> str:
    if each is None:
        return "–"
    cell = f"**{each.per_second.show(0)}** × {each.ratio.show(2)}"
    if each.journey_ms and each.journey_p99_ms:
        cell += f"; {each.journey_ms.median:.0f} / {each.journey_p99_ms.median:.0f}"
    return cell


def _find(figures: Sequence[Figures], name: str, level: int) -> Figures | None:
    return next((each for each in figures if (each.contender, each.in_flight) == (name, level)), None)


def _show(spread: Spread | None, digits: int) -> str:
    return spread.show(digits) if spread else "–"


def _head(cells: Sequence[str]) -> list[str]:
    return [_row(cells), _row(["---"] * len(cells))]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
