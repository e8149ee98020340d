"""Installs the peers in an environment of their own, outside the workspace and its lock file."""

import hashlib
import os
import sys
from dataclasses import dataclass, field
from pathlib import Path

from atelier_local import node_packages
from atelier_local.launcher.profile import REPOSITORY, run_dir
from atelier_local.node_packages import fails

PROGRAMS = REPOSITORY / "deploy/local/peers"
FOLDER = "bench-peers"
PEERS = ("Restate", "DBOS", "Celery")
_RESTATE = "node_modules/@restatedev/restate-server-*/bin/restate-server"


@dataclass(slots=True)
class Installation:
    """Where the peers are, and why some are not."""

    home: Path
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """The interpreter of their environment."""
        return self.home / "env/bin/python"

    @property
    def restate(self) -> Path:
        """The native server."""
        return next(self.home.glob(_RESTATE))

    def has(self, peer: str) -> bool:
        return peer not in self.skipped


def install_peers() -> Installation:
    """Installs what is missing or of another version; what the registries do not give is skipped with the reason."""
    installed = Installation(run_dir() / FOLDER)
    state = hashlib.sha256(b"".join((PROGRAMS / name).read_bytes() for name in ("requirements.txt", "package.json")))
    stamp = installed.home / "stamp"
    if stamp.exists() and stamp.read_text() == state.hexdigest():
        return installed
    installed.home.mkdir(parents=True, exist_ok=True)
    if reason := _install_python(installed):
        installed.skipped = dict.fromkeys(PEERS, reason)
    elif reason := _install_restate(installed):
        installed.skipped = {"Restate": reason}
    else:
        stamp.write_text(state.hexdigest())
    return installed


def _install_python(installed: Installation) -> str:
    """Why it could not be done; empty when it is."""
    uv, python = str(run_dir() / "tools/bin/uv"), str(Path(sys.executable).resolve())
    env = {**os.environ, "UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    env.pop("VIRTUAL_ENV", None)
    return fails([uv, "venv", "--quiet", "--clear", "--python", python, str(installed.home / "env")], env) or fails(
        [uv, "pip", "install", "--quiet", "--python", str(installed.python), "-r", str(PROGRAMS / "requirements.txt")],
        env,
    )


def _install_restate(installed: Installation) -> str:
    reason = node_packages.install(PROGRAMS, installed.home)
    if not reason and not any(installed.home.glob(_RESTATE)):
        return "it has no server for this platform"
    return reason
