"""The results as a page of the book, a JSON file and a picture."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from atelier_local.bench import report
from atelier_local.bench.contenders import Sample
from atelier_local.bench.counters import Counts
from atelier_local.bench.details import Details
from atelier_local.bench.plot import rates_svg
from atelier_local.bench.summary import summarise

PAGE, DATA, PICTURE = "performance.md", "performance.json", "performance.svg"

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
"""Around what is measured; the rest of the page is written by hand and stays."""
_FRAME = f"# Performance\n\n{BEGIN}\n{END}\n"

_INTRODUCTION = """`make bench DOCS=1` measures this and writes it here. All contenders ran in turn on one machine in
one run, in another order each round, everything durable; figures are medians with their range. Trust the ratios, taken
within a round.

A generation is one `POST` to captured credits with an instant render, over fifty accounts, in a closed loop. The *bare
floor* is its four transactions with one driver and no bus; the *batch floor* the same for a whole batch at once, the
limit of this Postgres. Peers do [three durable steps of the same kind](../../deploy/local/peers/README.md), no more.
"""


@dataclass(slots=True)
class Results:
    """Everything that one run measured; ``lines`` are single sentences."""

    machine: list[str]
    samples: list[Sample]
    counted: dict[tuple[str, int], Counts]
    details: Details | None = None
    lines: list[str] = field(default_factory=list)


def tables(results: Results) -> list[list[str]]:
    """Each table as lines of Markdown."""
    figures = summarise(results.samples)
    found = [report.rates_table(figures), report.cpu_table(figures), report.counts_table(results.counted)]
    if results.details is not None:
        found += [report.arrivals_table(results.details.arrivals), report.reads_table(results.details.reads)]
    return [table for table in found if len(table) > len(report.head([]))]


def write(results: Results, folder: Path) -> None:
    """Page, data and picture into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / PAGE
    page.write_text(_insert(_page(results), page.read_text() if page.exists() else _FRAME))
    (folder / DATA).write_text(json.dumps(_data(results), indent=1) + "\n")
    (folder / PICTURE).write_text(rates_svg(summarise(results.samples)))


def _page(results: Results) -> str:
    parts = [_INTRODUCTION, f"![Generations a second by generations in flight]({PICTURE})\n"]
    parts += ["\n".join(table) + "\n" for table in tables(results)]
    parts.append("\n".join(f"- {line}" for line in [*results.lines, *results.machine]) + "\n")
    return "\n".join(parts)


def _insert(measured: str, page: str) -> str:
    """The page with what is measured now between its marks. Raises ValueError where it has none."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} and {END}: there is no place for the figures")
    return f"{before}{begin}\n\n{measured}\n{end}{after}"


def _data(results: Results) -> Mapping[str, object]:
    counted: Sequence[object] = [
        {"contender": name, "in_flight": level, **asdict(counts)} for (name, level), counts in results.counted.items()
    ]
    return {
        "machine": results.machine,
        "lines": results.lines,
        "samples": [asdict(sample) for sample in results.samples],
        "counted": counted,
        "details": None if results.details is None else results.details.as_json(),
    }
