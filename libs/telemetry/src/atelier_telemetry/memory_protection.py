"""Keeps a service's memory and environment, where its secrets are, from other processes of the same user: a decoder or
a speech engine that a stranger's bytes have taken over runs as a child of ours."""

import ctypes
import os
import sys

PR_SET_DUMPABLE = 4
"""``man 2 prctl``: 0 closes ``/proc/<pid>/environ`` and ``mem`` to all but root, and forbids tracing."""
LAUNCHER_MARK = "ATELIER_STACK"
"""Set by the local launcher, which recognises the processes of a stack by their environment."""


def protect_memory() -> bool:
    """Closes this process's memory to others; whether it did. Not under the local launcher, which would no longer find
    its own processes after a crash, and not where there is no Linux."""
    if LAUNCHER_MARK in os.environ or not sys.platform.startswith("linux"):
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)
