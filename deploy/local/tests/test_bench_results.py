"""From samples to tables, page and picture."""

import json
from pathlib import Path
from xml.etree import ElementTree

from atelier_local.bench import page
from atelier_local.bench.contenders import Sample
from atelier_local.bench.counters import Counts
from atelier_local.bench.page import Results
from atelier_local.bench.rounds import run_rounds
from atelier_local.bench.summary import summarise


def test_a_ratio_is_taken_within_its_round() -> None:
    """A machine that is twice as slow in the second round changes both rates and neither ratio."""
    figures = summarise([_sample("a", 0, 100), _sample("b", 0, 50), _sample("b", 1, 25), _sample("a", 1, 50)])

    b = next(each for each in figures if each.contender == "b")
    assert (b.per_second.low, b.per_second.high) == (25, 50)
    assert (b.ratio.low, b.ratio.high) == (0.5, 0.5)


def test_processor_time_is_compared_where_both_have_it() -> None:
    figures = summarise([_sample("a", 0, 100, cpu=8.0), _sample("b", 0, 50, cpu=6.0), _sample("floor", 0, 500)])

    ratios = {each.contender: each.cpu_ratio for each in figures}
    assert ratios["b"] is not None and ratios["b"].median == 0.75
    assert ratios["floor"] is None


def test_counts_of_an_idle_window_are_taken_off_and_the_rest_is_shared_out() -> None:
    busy = Counts(220, 60, 50_000, 10, 100, {"billing": 220}, {"a": 100})
    idle = Counts(20, 10, 10_000, 0, 0, {"billing": 20}, {})

    each = busy.since(idle, 10)

    assert (each.statements, each.commits, each.wal_bytes) == (20, 5, 4_000)
    assert each.by_service == {"billing": 20} and each.by_message == {"a": 10}


async def test_every_other_round_runs_in_the_opposite_order() -> None:
    order: list[str] = []

    class Recorder:
        def __init__(self, name: str) -> None:
            self.name = name

        async def run(self, in_flight: int, generations: int, /) -> Sample:
            order.append(self.name)
            return _sample(self.name, 0, generations)

    samples = await run_rounds(
        [Recorder("a"), Recorder("b")], levels=[8], rounds=2, scale=1.0, show=lambda sample: None
    )

    assert order == ["a", "b", "b", "a"]
    assert [sample.round for sample in samples] == [0, 0, 1, 1]


def test_page_data_and_picture_hold_every_contender(tmp_path: Path) -> None:
    samples = [_sample(name, 0, rate, level=level) for name, rate in (("a & b", 100), ("c", 9)) for level in (1, 50)]
    counted = {("a & b", 1): Counts(107, 23, 37_000, 10, 10, {"billing": 28.0}, {})}

    page.write(Results(["2 processors"], samples, counted, lines=["books in order"]), tmp_path)

    text, picture = (tmp_path / page.PAGE).read_text(), ElementTree.parse(tmp_path / page.PICTURE)
    assert "| c | **9** × 0.09 | **9** × 0.09 |" in text
    assert "- books in order" in text and "- 2 processors" in text
    assert {"a & b", "c"} <= {element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert json.loads((tmp_path / page.DATA).read_text())["counted"][0]["statements"] == 107


def test_what_is_written_by_hand_stays_when_the_figures_change(tmp_path: Path) -> None:
    first, second = (Results(["2 processors"], [_sample("a", 0, rate)], {}) for rate in (123, 456))
    page.write(first, tmp_path)
    written = tmp_path / page.PAGE
    written.write_text(written.read_text().replace("# Performance", "# Speed") + "\n## What did not pay\n")

    page.write(second, tmp_path)

    text = written.read_text()
    assert "**456**" in text and "**123**" not in text
    assert text.startswith("# Speed\n") and text.endswith("\n## What did not pay\n")


def _sample(name: str, number: int, rate: float, *, level: int = 8, cpu: float = 0.0) -> Sample:
    return Sample(name, level, number, rate, cpu_ms={"billing": cpu} if cpu else {})
