"""Which interpreter ``bootstrap.sh`` takes among those on the PATH."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from atelier_local.bench import interpreter
from atelier_local.bench.interpreter import OPTIMISED, PLAIN, TOO_OLD
from atelier_local.launcher.profile import REPOSITORY

BROKEN = 127
"""A shim of a version manager whose version is not installed."""


def test_an_optimised_interpreter_is_taken_before_the_first(tmp_path: Path) -> None:
    plain, optimised = (
        _interpreter(tmp_path / "a", "python3", PLAIN),
        _interpreter(tmp_path / "b", "python3", OPTIMISED),
    )

    assert _which(plain, optimised).stdout.strip() == str(optimised)


def test_without_an_optimised_one_the_first_that_is_new_enough_is_taken(tmp_path: Path) -> None:
    old, broken = _interpreter(tmp_path / "a", "python3", TOO_OLD), _interpreter(tmp_path / "b", "python3.12", BROKEN)
    plain = _interpreter(tmp_path / "c", "python3.11", PLAIN)

    assert _which(old, broken, plain).stdout.strip() == str(plain)


def test_without_any_that_is_new_enough_it_says_what_to_install(tmp_path: Path) -> None:
    done = _which(_interpreter(tmp_path / "a", "python3", TOO_OLD))

    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr


def test_the_file_that_bootstrap_runs_says_what_the_bench_says() -> None:
    done = subprocess.run([sys.executable, interpreter.__file__])

    assert done.returncode == (OPTIMISED if interpreter.is_optimised() else PLAIN)


@pytest.mark.parametrize(
    ("variables", "schemes", "optimised"),
    [
        ({"CONFIG_ARGS": "'--enable-optimizations' '--with-lto'"}, ("posix_prefix",), True),
        ({"PY_CORE_CFLAGS": "-O3 -fprofile-use"}, ("posix_prefix",), True),
        ({}, ("posix_prefix", "deb_system"), True),
        ({"CONFIG_ARGS": "'--enable-shared'"}, ("posix_prefix",), False),
    ],
    ids=["configured", "compiled", "debian", "plain"],
)
def test_an_optimised_build_is_known_by_its_configuration(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], schemes: tuple[str, ...], optimised: bool
) -> None:
    monkeypatch.setattr("sysconfig.get_config_var", variables.get)
    monkeypatch.setattr("sysconfig.get_scheme_names", lambda: schemes)

    assert interpreter.is_optimised() is optimised


def _interpreter(folder: Path, name: str, status: int) -> Path:
    """A program that ends as an interpreter of that kind does when it runs the file."""
    folder.mkdir()
    program = folder / name
    program.write_text(f"#!/bin/sh\nexit {status}\n")
    program.chmod(0o755)
    return program


def _which(*interpreters: Path) -> subprocess.CompletedProcess[str]:
    """With these on the PATH, and without the machine's own; the few programs that the script needs are linked."""
    tools = interpreters[0].parent.parent / "tools"
    tools.mkdir()
    for name in ("bash", "dirname", "env"):
        found = next(Path(folder) / name for folder in os.defpath.split(":") if (Path(folder) / name).exists())
        (tools / name).symlink_to(found)
    path = ":".join([*(str(program.parent) for program in interpreters), str(tools)])
    script = REPOSITORY / "deploy/local/bootstrap.sh"
    return subprocess.run([script, "--which-python"], env={"PATH": path}, capture_output=True, text=True, timeout=30)
