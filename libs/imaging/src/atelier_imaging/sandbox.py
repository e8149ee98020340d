"""What a child process that meets a stranger's bytes is allowed: so much memory, no core dump, no life of its own."""

import ctypes
import os
import resource
import signal
import sys

_PR_SET_PDEATHSIG = 1
_ENVIRONMENT_KEPT = ("PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "LANG")


def environment() -> dict[str, str]:
    """What a child is started with: it has no business with our secrets."""
    return {name: os.environ[name] for name in _ENVIRONMENT_KEPT if name in os.environ}


def confine(parent_pid: int, memory_bytes: int) -> None:
    """Called first in the child. It ends with its parent, and only its parent decides when it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it ended before the line above took effect
        raise SystemExit(1)
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group
