"""What the figures depend on: the processor, its load, the interpreter and whether that is an optimised build."""

import os
import platform
from pathlib import Path

from atelier_local.bench.interpreter import is_optimised


def describe_machine() -> list[str]:
    """Lines for a reader of the figures."""
    optimised = "an optimised build" if is_optimised() else "not built with profile-guided optimisation, so slower"
    return [
        f"machine: {_processors()}, load average {' '.join(f'{load:.1f}' for load in os.getloadavg())}",
        f"interpreter: {platform.python_implementation()} {platform.python_version()}, {optimised}",
    ]


def _processors() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} × {models[0]}" if models else "unknown processor"
