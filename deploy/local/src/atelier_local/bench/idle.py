"""What a stack uses without any request: processor time and memory, as the kernel counts them.

``atelier bench`` prints it of the four services, ``python -m atelier_local.bench.idle`` of every part of a
stack that is up.
"""

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import typer

from atelier_local.cli_errors import report_errors
from atelier_local.errors import StackError
from atelier_local.launcher.profile import SERVICES
from atelier_local.launcher.stack import Stack

LOOK_S = 15.0
LOOK_AT_STACK_S = 60.0
SUPERVISOR = "supervisor"
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class IdleUsage:
    """All services together: share of one core in percent, resident memory in MB (1 MB = 1 000 000 bytes)."""

    core_percent: float
    memory_mb: float


def measure(known: Mapping[str, str], *, over_s: float = LOOK_S) -> IdleUsage:
    """Watches the processes that the env file names for ``over_s`` seconds."""
    pids = [int(known[f"ATELIER_{service.upper()}_PID"]) for service in SERVICES]
    before, began = sum(map(_cpu_s, pids)), time.monotonic()
    time.sleep(over_s)
    used = (sum(map(_cpu_s, pids)) - before) / (time.monotonic() - began)
    return IdleUsage(used * 100, sum(map(resident_bytes, pids)) / 1e6)


@dataclass(frozen=True, slots=True)
class PartUsage:
    """One part with all its processes: share of one core in percent, memory in MB, of which each page that n processes
    share counts as an n-th."""

    name: str
    processes: int
    core_percent: float
    memory_mb: float


def measure_parts(supervisor: int, pids: Mapping[str, int], *, over_s: float) -> list[PartUsage]:
    """Watches the supervisor's process and all below it; ``pids`` are those of its parts. Largest part first."""
    before, began = _by_process(supervisor, pids), time.monotonic()
    time.sleep(over_s)
    after, took = _by_process(supervisor, pids), time.monotonic() - began
    names = {name for name, _ in after.values()}
    usages = []
    for name in names:
        mine = {pid: cpu_s for pid, (part, cpu_s) in after.items() if part == name}
        used = sum(cpu_s - before[pid][1] if pid in before else cpu_s for pid, cpu_s in mine.items())
        usages.append(PartUsage(name, len(mine), 100 * used / took, sum(map(_shared_out_bytes, mine)) / 1e6))
    return sorted(usages, key=lambda usage: -usage.memory_mb)


def table(usages: Sequence[PartUsage]) -> Iterator[str]:
    """A line for each part, and one for their sum."""
    yield f"{'part':<16} {'processes':>9} {'% of a core':>12} {'MB':>7}"
    total = PartUsage(
        "all", sum(it.processes for it in usages), sum(it.core_percent for it in usages),
        sum(it.memory_mb for it in usages),
    )  # fmt: skip
    for usage in (*usages, total):
        yield f"{usage.name:<16} {usage.processes:>9} {usage.core_percent:>12.2f} {usage.memory_mb:>7.0f}"


def _by_process(supervisor: int, pids: Mapping[str, int]) -> dict[int, tuple[str, float]]:
    """Each process below the supervisor, and itself: the part it belongs to, and its processor time in seconds."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            children[_parent(int(entry.name))].append(int(entry.name))
    roots = {pid: name for name, pid in pids.items()}
    found: dict[int, tuple[str, float]] = {}
    waiting = [(supervisor, SUPERVISOR)]
    while waiting:
        pid, above = waiting.pop()
        name = roots.get(pid, above)
        with suppress(OSError):
            found[pid] = (name, _cpu_s(pid))
        waiting += [(child, name) for child in children[pid]]
    return found


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _shared_out_bytes(pid: int) -> int:
    """The proportional set size; 0 of a process that has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return 0


def _cpu_s(pid: int) -> float:
    """User and system seconds so far; fields 14 and 15 of proc(5) stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """The resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Prints what each part of the stack of this profile uses in a minute."""
    with report_errors():
        stack = Stack(os.environ.get("PROFILE", "default"))
        status = stack.status()
        if status is None:
            raise StackError(f"the stack {stack.name} is not up: `make up` starts it")
        pids = {part.name: part.pid for part in status.parts if part.pid is not None}
        print("\n".join(table(measure_parts(status.pid, pids, over_s=LOOK_AT_STACK_S))))


if __name__ == "__main__":
    typer.run(main)
