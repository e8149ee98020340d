"""Processor time of a stack by component, as the kernel counts it: all its processes, also those that have ended."""

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from atelier_local.launcher.processes import find_marked

_TICKS = os.sysconf("SC_CLK_TCK")
_PROGRAMS = {
    "beam.smp": "rabbitmq", "erl_child_setup": "rabbitmq", "epmd": "rabbitmq", "inet_gethost": "rabbitmq",
    "postgres": "postgres", "node": "traces",
}  # fmt: skip
OTHER = "other"


def processor_time(home: Path, services: Mapping[int, str]) -> dict[str, float]:
    """Seconds so far of each component of the stack in ``home``; ``services`` names the services by pid."""
    seconds: dict[str, float] = defaultdict(float)
    everything = _processes()
    # Postgres writes its titles over the environment of its children: they are known by their parent.
    ours = set(find_marked(str(home)))
    ours |= {pid for pid, (_, fields) in everything.items() if int(fields[1]) in ours}
    for pid in ours & everything.keys():
        program, fields = everything[pid]
        # utime, stime, and those of children that have ended and were waited for: a backend whose client left, say.
        used = sum(map(int, fields[11:15])) / _TICKS
        seconds[services.get(pid) or _PROGRAMS.get(program, OTHER)] += used
    return dict(seconds)


def milliseconds_each(before: Mapping[str, float], after: Mapping[str, float], generations: int) -> dict[str, float]:
    """What each component used for one generation, in milliseconds."""
    return {name: (used - before.get(name, 0.0)) / generations * 1_000 for name, used in after.items()}


def _processes() -> dict[int, tuple[str, list[str]]]:
    """Program and the fields of proc(5) stat from the state on, by pid."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text()
            except OSError:  # it has ended since
                continue
            found[int(entry.name)] = text[text.index("(") + 1 : text.rindex(")")], text.rpartition(")")[2].split()
    return found
