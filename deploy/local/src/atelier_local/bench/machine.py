"""What the figures depend on: the processor, its load, the interpreter and whether that is an optimised build."""

import os
import platform
import sysconfig
from pathlib import Path


def describe_machine() -> list[str]:
    """Lines for a reader of the figures."""
    optimised = "an optimised build" if is_optimised() else "not built with profile-guided optimisation, so slower"
    return [
        f"machine: {_processors()}, load average {' '.join(f'{load:.1f}' for load in os.getloadavg())}",
        f"interpreter: {platform.python_implementation()} {platform.python_version()}, {optimised}",
    ]


def is_optimised() -> bool:
    """Whether this interpreter was built with profile-guided optimisation. Debian's and Ubuntu's are, though their
    configuration does not say so; they are known by their own installation scheme."""
    arguments = sysconfig.get_config_var("CONFIG_ARGS") or ""
    flags = sysconfig.get_config_var("PY_CORE_CFLAGS") or ""
    return (
        "--enable-optimizations" in arguments
        or "-fprofile-use" in flags
        or "deb_system" in sysconfig.get_scheme_names()
    )


def _processors() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(models)} × {models[0]}" if models else "unknown processor"
