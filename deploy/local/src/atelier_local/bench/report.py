"""The figures as Markdown, for a terminal and for the book."""

from collections.abc import Mapping, Sequence

from atelier_local.bench.counters import Counts
from atelier_local.bench.latency import Arrivals
from atelier_local.bench.reads import BARE, Reads
from atelier_local.bench.summary import Figures, Spread, spread_of


def rates_table(figures: Sequence[Figures]) -> list[str]:
    """Generations a second, the ratio to the first contender, and the journey, level by level."""
    levels = sorted({each.in_flight for each in figures})
    lines = head(["generations/s; × the first; journey p50 / p99 ms", *(f"{level} in flight" for level in levels)])
    for name in dict.fromkeys(each.contender for each in figures):
        cells = [_rate_cell(_find(figures, name, level)) for level in levels]
        lines.append(row([name, *cells]))
    return lines


def cpu_table(figures: Sequence[Figures]) -> list[str]:
    """Processor milliseconds of one generation, in all and by component."""
    measured = [each for each in figures if each.cpu_ms is not None]
    components = sorted({name for each in measured for name in each.components})
    lines = head(["CPU ms a generation", "all", "× the first", *components])
    for each in measured:
        parts = [f"{each.components.get(name, 0.0):.2f}" for name in components]
        lines.append(
            row(
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
    lines = head(["counted for a generation", "statements", *services, "commits", "frames", "messages", "WAL kB"])
    for (name, level), counts in counted.items():
        each = [f"{counts.by_service.get(service, 0.0):.1f}" for service in services]
        rest = [
            f"{counts.commits:.2f}",
            f"{counts.frames:.2f}",
            f"{counts.messages:.2f}",
            f"{counts.wal_bytes / 1e3:.1f}",
        ]
        lines.append(row([f"{name}, {level} in flight", f"{counts.statements:.1f}", *each, *rest]))
    return lines


def arrivals_table(arrivals: Sequence[Arrivals]) -> list[str]:
    """Admission and journey from the moment a request was due, by build and rate."""
    lines = head(["open loop", "admission p50 ms", "p95", "p99", "journey p50 ms", "p99"])
    for name, rate in dict.fromkeys((each.contender, each.rate) for each in arrivals):
        mine = [each for each in arrivals if (each.contender, each.rate) == (name, rate)]
        admissions = [spread_of(each.admissions_ms[key] for each in mine) for key in ("p50", "p95", "p99")]
        journeys = [spread_of(each.journeys_ms[key] for each in mine) for key in ("p50", "p99")]
        lines.append(row([f"{name}, {rate}/s", *(spread.show(0) for spread in [*admissions, *journeys])]))
    return lines


def reads_table(reads: Sequence[Reads]) -> list[str]:
    """Status reads a second beside the bare route."""
    lines = head(["status GET", "reads/s", "× bare route", "p50 ms", "p99 ms"])
    bare = {(each.clients, each.round): each.per_second for each in reads if each.contender == BARE}
    for name, clients in dict.fromkeys((each.contender, each.clients) for each in reads):
        mine = [each for each in reads if (each.contender, each.clients) == (name, clients)]
        rates = spread_of(each.per_second for each in mine)
        ratios = spread_of(each.per_second / bare[clients, each.round] for each in mine)
        times = [spread_of(each.took_ms[key] for each in mine) for key in ("p50", "p99")]
        cells = [rates.show(0), ratios.show(2), *(spread.show(1) for spread in times)]
        lines.append(row([f"{name}, {clients} client{'s' if clients > 1 else ''}", *cells]))
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


def head(cells: Sequence[str]) -> list[str]:
    """The first two lines of a table."""
    return [row(cells), row(["---"] * len(cells))]


def row(cells: Sequence[str]) -> str:
    """A line of a table."""
    return f"| {' | '.join(cells)} |"
