"""What the four services use without any request: processor time and memory, as the kernel counts them."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from atelier_local.launcher.profile import SERVICES

LOOK_S = 15.0
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


def _cpu_s(pid: int) -> float:
    """User and system seconds so far; fields 14 and 15 of proc(5) stat."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_bytes(pid: int) -> int:
    """The resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
