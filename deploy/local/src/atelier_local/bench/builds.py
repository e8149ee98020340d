"""Builds under measurement: this source tree, and others of its history beside it, each with a stack of its own.

Another revision is unpacked under ``.run/bench-builds`` with an environment of its own, installed as its own lock file
says, on the interpreter of this one. Its stack is started by its own ``atelier``: only HTTP, AMQP and SQL are shared.
"""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from atelier_local.errors import StackError
from atelier_local.launcher.environment import is_passed_on
from atelier_local.launcher.profile import REPOSITORY, SERVICES, run_dir

FOLDER = "bench-builds"
COMMAND_S_MAX = 600.0
PASSED = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")


@dataclass(frozen=True, slots=True)
class Build:
    """A source tree with its environment, and the profile of its stack. ``run`` is where its profiles live."""

    name: str
    root: Path
    run: Path
    profile: str
    settings: Mapping[str, str] = field(default_factory=dict)
    """Of its services, beside those that all builds get."""
    grown: int = 0
    """Finished generations that its stack has from the start."""
    capped: bool = False
    """Each of its accounts has six caps."""
    receipts: bool = True
    """Without: no receipts and no log, for what they cost."""
    doubled: bool = False
    """Two processes of each service."""

    @property
    def home(self) -> Path:
        """The profile's folder, which marks each process of the stack."""
        return self.run / self.profile

    def up(self, settings: Mapping[str, str]) -> None:
        """Starts the stack with these settings of its services; raises StackError with the end of what it printed, or
        for a setting that would be left out, unread."""
        given = {**settings, **self.settings}
        if self.root == REPOSITORY and (unread := [name for name in given if not is_passed_on(name)]):
            raise StackError(f"a local stack does not pass these settings on to its services: {', '.join(unread)}")
        self._command("up", given)

    def down(self) -> None:
        """Stops the stack; the data stays."""
        self._command("down", {})

    def clean(self) -> None:
        """Stops the stack and deletes its data."""
        self._command("clean", {})

    def environment(self) -> dict[str, str]:
        """What the env file of the running stack says."""
        words = shlex.split((self.home / "env").read_text(), comments=True)
        return dict(word.split("=", 1) for word in words if "=" in word)

    def database_url(self, database: str) -> str:
        """The address of a database of the stack for its superuser."""
        profile: dict[str, Any] = json.loads((self.home / "profile.json").read_text())
        password, port = profile["secrets"]["postgres_password"], profile["ports"]["postgres"]
        return f"postgresql://postgres:{password}@127.0.0.1:{port}/{database}"

    def pids(self) -> dict[int, str]:
        """The services' processes."""
        known = self.environment()
        return {int(known[f"ATELIER_{service.upper()}_PID"]): service for service in SERVICES}

    def _command(self, verb: str, settings: Mapping[str, str]) -> None:
        env = {**_environment(), **settings, "PROFILE": self.profile, "ATELIER_RUN_DIR": str(self.run)}
        _run([self.root / ".venv/bin/atelier", verb], self.root, env)


def this_build(
    profile: str, name: str = "this build", settings: Mapping[str, str] | None = None, *,
    grown: int = 0, capped: bool = False, receipts: bool = True, doubled: bool = False,
) -> Build:  # fmt: skip
    """The source tree that this command belongs to."""
    return Build(name, REPOSITORY, run_dir(), profile, settings or {}, grown, capped, receipts, doubled)


def build_of(revision: str) -> Build:
    """The build of a git revision, unpacked and installed unless it is there already. Raises StackError where git does
    not know the revision or its packages cannot be installed."""
    commit = _run(["git", "rev-parse", "--verify", "--end-of-options", f"{revision}^{{commit}}"], REPOSITORY).strip()
    root = run_dir() / FOLDER / commit[:12]
    if not (root / ".complete").exists():
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(parents=True)
        archive = run_dir() / FOLDER / f"{commit[:12]}.tar"
        _run(["git", "archive", "--output", archive, commit], REPOSITORY)
        _run(["tar", "-xf", archive, "-C", root], root)
        archive.unlink()
        _share_tools(root)
        _install(root)
        (root / ".complete").touch()
    return Build(revision, root, root / ".run", "bench")


def _share_tools(root: Path) -> None:
    """The trace viewer is a tool of the machine: both builds send their spans to one of the same version."""
    (root / ".run").mkdir()
    with contextlib.suppress(FileExistsError):
        (root / ".run" / "tools").symlink_to(run_dir() / "tools")


def _install(root: Path) -> None:
    uv = run_dir() / "tools" / "bin" / "uv"
    env = {**_environment(), "UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never"}
    python = Path(sys.executable).resolve()
    _run([uv, "sync", "--frozen", "--all-packages", "--no-dev", "--quiet", "--python", python], root, env)


def _environment() -> dict[str, str]:
    return {name: os.environ[name] for name in PASSED if name in os.environ}


def _run(command: list[str | Path], folder: Path, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        list(map(str, command)),
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=COMMAND_S_MAX,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-500:]
        raise StackError(f"{' '.join(map(str, command))} failed in {folder}: {said}")
    return done.stdout
