"""What the parts of a stack use, measured on small processes of our own."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from atelier_local.bench.idle import SUPERVISOR, PartUsage, measure_parts, table

PARENT = """
import subprocess, sys
busy = subprocess.Popen([sys.executable, "-c", "while True: pass"])
keep = "import sys; kept = b'1' * 60_000_000; print(); sys.stdout.flush(); sys.stdin.read()"
large = subprocess.Popen([sys.executable, "-c", keep], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
large.stdout.readline()
print(busy.pid, large.pid, flush=True)
sys.stdin.read()
busy.kill()
large.kill()
"""


@pytest.fixture
def family() -> Iterator[tuple[int, int, int]]:
    """The process numbers of a parent and of its two children, one that is busy and one that is large."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        busy, large = map(int, parent.stdout.readline().split())
        yield parent.pid, busy, large
        parent.communicate(b"")


def test_each_part_is_counted_with_its_own_processes(family: tuple[int, int, int]) -> None:
    parent, busy, large = family

    found = {usage.name: usage for usage in measure_parts(parent, {"busy": busy, "large": large}, over_s=1.0)}

    assert {name: usage.processes for name, usage in found.items()} == {SUPERVISOR: 1, "busy": 1, "large": 1}
    assert found["large"].memory_mb > 60 > found["busy"].memory_mb
    assert found["busy"].core_percent > found["large"].core_percent


def test_children_that_are_no_part_belong_to_the_process_above(family: tuple[int, int, int]) -> None:
    parent, busy, _ = family

    found = {usage.name: usage.processes for usage in measure_parts(parent, {"busy": busy}, over_s=0.1)}

    assert found == {SUPERVISOR: 2, "busy": 1}


def test_the_last_line_is_the_sum() -> None:
    *_, last = table([PartUsage("broker", 3, 1.5, 100.4), PartUsage("store", 1, 0.25, 50.0)])

    assert last.split() == ["all", "4", "1.75", "150"]
