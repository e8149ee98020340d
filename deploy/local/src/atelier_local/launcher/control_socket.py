"""The connection between command and supervisor: one JSON request, one JSON answer, over a socket in the profile."""

import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from atelier_local.errors import StackError

SOCKET = "supervisor.sock"
USABLE = ("ready", "done")


@dataclass(frozen=True)
class PartStatus:
    """One part now. ``pid`` is None while it has no process; ``ready_after_s`` counts from its last start."""

    name: str
    state: str
    pid: int | None
    restarts: int
    url: str
    ready_after_s: float | None
    needs: list[str]


@dataclass(frozen=True)
class Status:
    """The whole stack now."""

    pid: int
    parts: list[PartStatus]
    skipped: dict[str, str]

    @property
    def failed_parts(self) -> list[str]:
        return [part.name for part in self.parts if part.state == "failed"]

    @property
    def up(self) -> bool:
        """Whether every part can be used."""
        return all(part.state in USABLE for part in self.parts)

    def part(self, name: str) -> PartStatus:
        """The part of that name."""
        for part in self.parts:
            if part.name == name:
                return part
        raise StackError(f"this stack has no part {name!r}; it has {', '.join(part.name for part in self.parts)}")

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> "Status":
        return cls(content["pid"], [PartStatus(**part) for part in content["parts"]], content["skipped"])


class NotRunning(StackError):
    """No supervisor answers for this profile."""


@contextmanager
def socket_path(home: Path) -> Iterator[str]:
    """A short name for the socket: its real one may be longer than the 107 bytes such an address can have."""
    folder = os.open(home, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)


def ask(home: Path, question: dict[str, Any], timeout_s: float = 5.0) -> dict[str, Any]:
    """The supervisor's answer. Raises NotRunning where none listens, StackError where it refuses."""
    try:
        with socket.socket(socket.AF_UNIX) as line, socket_path(home) as path:
            line.settimeout(timeout_s)
            line.connect(path)
            line.sendall(json.dumps(question).encode() + b"\n")
            raw = line.makefile("rb").readline()
    except (FileNotFoundError, ConnectionError) as error:
        raise NotRunning(f"the stack {home.name!r} is not up; start it with: {start_command(home.name)}") from error
    except TimeoutError as error:
        raise StackError(
            f"the supervisor of {home.name!r} did not answer within {timeout_s:.0f} s; see its supervisor.log"
        ) from error
    if not raw:
        raise NotRunning(f"the supervisor of {home.name!r} ended before it answered; try again")
    answer: dict[str, Any] = json.loads(raw)
    if "error" in answer:
        raise StackError(answer["error"])
    return answer


def start_command(profile: str) -> str:
    """The command that starts that profile."""
    return "make up" if profile == "default" else f"PROFILE={profile} make up"


def stop_command(profile: str) -> str:
    """The command that stops it."""
    return "make down" if profile == "default" else f"PROFILE={profile} make down"
