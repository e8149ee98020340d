"""What Linux knows about processes: whether they live, and which of them belong to a stack.

A pid alone identifies nothing: the kernel reuses it. Every process of a stack inherits a mark in its environment,
and what the launcher finds again (after a kill -9 of the supervisor, say) is known by it; nothing else gets a signal.
"""

import contextlib
import ipaddress
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

MARK = "ATELIER_STACK"
"""Environment variable that every process of a stack inherits; its value is the stack's folder."""

POLL_S = 0.02


def is_alive(pid: int) -> bool:
    """Whether it runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


def find_marked(mark: str) -> list[int]:
    """Living processes that inherited the mark, ourselves left out."""
    wanted = f"{MARK}={mark}".encode()
    return [pid for pid in _pids() if pid != os.getpid() and wanted in _environment(pid) and is_alive(pid)]


def group_members(group: int) -> list[int]:
    """Living processes of that process group."""
    return [pid for pid in _pids() if _group(pid) == group and is_alive(pid)]


def tcp_addresses(pids: Iterable[int]) -> set[str]:
    """Where these processes accept TCP connections, as ``address:port``."""
    sockets = {link for pid in pids for link in _sockets(pid)}
    lines = [line.split() for table in ("tcp", "tcp6") for line in _table(table)]
    return {_address(words[1]) for words in lines if words[3] == "0A" and f"socket:[{words[9]}]" in sockets}


def _sockets(pid: int) -> set[str]:
    found = set()
    with contextlib.suppress(OSError):
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                found.add(str(entry.readlink()))
    return found


def _table(name: str) -> list[str]:
    try:
        return Path(f"/proc/net/{name}").read_text().splitlines()[1:]
    except OSError:  # no IPv6 here
        return []


def _address(words: str) -> str:
    """``0100007F:4E20`` as people write it: the kernel's tables hold words of 32 bits in the machine's byte order."""
    host, _, port = words.partition(":")
    raw = b"".join(int(host[at : at + 8], 16).to_bytes(4, sys.byteorder) for at in range(0, len(host), 8))
    return f"{ipaddress.ip_address(raw)}:{int(port, 16)}"


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _group(pid: int) -> int | None:
    try:
        return os.getpgid(pid)
    except OSError:
        return None


def send(pids: Iterable[int], sign: signal.Signals) -> None:
    """A signal to each that still lives."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sign)


def wait_until(done: Callable[[], bool], timeout_s: float) -> bool:
    """Looks again and again; False when the time is over."""
    deadline = time.monotonic() + timeout_s
    while not done():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def end(found: Callable[[], list[int]], grace_s: float) -> int:
    """Asks the processes to stop, then makes them; says how many there were."""
    pids = found()
    send(pids, signal.SIGTERM)
    send(pids, signal.SIGCONT)  # a frozen process could not hear the first one
    if pids and not wait_until(lambda: not found(), grace_s):
        send(found(), signal.SIGKILL)
        wait_until(lambda: not found(), grace_s)
    return len(pids)
