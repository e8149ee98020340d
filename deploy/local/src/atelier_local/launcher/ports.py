"""The TCP ports of this machine's stacks: which are free, and which a running stack has claimed.

That a port is free says little about the next minute: the parts of a stack start one after the other, and until its
last listens, another stack (of another folder, so that neither reads the other's profile) finds that part's port free
too. A stack therefore claims its ports before its first part starts. A claim is an abstract Unix socket whose name is
the port: the kernel gives it to one process of the network namespace, and takes it back when the last that holds it
ends.
"""

import random
import socket
from collections.abc import Iterable
from pathlib import Path

from atelier_local.errors import StackError

PREFERRED = range(20_000, 32_000)
SPAN_MIN = 2_000
"""So many ports must lie beside the kernel's ephemeral range to be chosen from."""
_EPHEMERAL = Path("/proc/sys/net/ipv4/ip_local_port_range")


def choose_ports(names: Iterable[str], taken: set[int]) -> dict[str, int]:
    """A free and unclaimed port for each name. Neighbours, from a random start: a stack is then easy to recognise in
    ``ss -ltn``. Raises StackError where there are none."""
    ports, chosen = port_range(), dict[str, int]()
    port = random.choice(ports[:-1000])
    for name in names:
        while port in taken or not _is_available(port):
            port += 1
            if port not in ports:
                raise StackError(f"there is no free port between {ports.start} and {ports.stop}; clean unused profiles")
        chosen[name] = port
        port += 1
    return chosen


def claim_ports(ports: Iterable[int]) -> dict[int, socket.socket]:
    """Claims those of the ports that are free. Each claim lasts until its socket is closed wherever it is open."""
    claims = {port: claim for port in ports if (claim := _claim(port)) is not None}
    for port in [port for port in claims if not is_free(port)]:
        claims.pop(port).close()
    return claims


def is_free(port: int) -> bool:
    """Whether a process could listen there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def port_range(ephemeral: Path = _EPHEMERAL) -> range:
    """Ports outside the kernel's ephemeral range, so that no outgoing connection takes one while its owner is down:
    the preferred ones, else those below or above that range, and the preferred ones again where there is no such."""
    try:
        low, high = (int(word) for word in ephemeral.read_text().split())
    except (OSError, ValueError):
        return PREFERRED
    if low >= PREFERRED.stop or high < PREFERRED.start:
        return PREFERRED
    beside = max(range(10_000, low), range(high + 1, 65_000), key=len)
    return beside if len(beside) >= SPAN_MIN else PREFERRED


def _is_available(port: int) -> bool:
    claim = _claim(port)
    if claim is None:
        return False
    with claim:
        return is_free(port)


def _claim(port: int) -> socket.socket | None:
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        claim.bind(f"\0atelier/port/{port}")
    except OSError:
        claim.close()
        return None
    return claim
