"""tree.py finds what must not be in the repository, where it is, and does not repeat it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TREE = Path(__file__).resolve().parents[1] / "tree.py"
CLEAN = {".gitignore": ".env\n", "a.py": 'BASE = "/v1/generations"\n'}


def check(where: Path, files: dict[str, str]) -> tuple[int, str]:
    """(exit status, findings) for a repository of these files."""
    for name, content in files.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(content)
    subprocess.run(["git", "init", "-q"], cwd=where, check=True)
    subprocess.run(["git", "add", "--force", "."], cwd=where, check=True)
    done = subprocess.run([sys.executable, TREE], cwd=where, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def test_a_clean_tree_passes(tmp_path: Path) -> None:
    assert check(tmp_path, CLEAN) == (0, "")


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("-----BEGIN " + "EC PRIVATE KEY-----\n", "a private key"),
        ("-----BEGIN " + "PRIVATE KEY-----\n", "a private key"),
        ("key = AKIA" + "ABCDEFGHIJKLMNOP", "a cloud access key"),
        ("index = https://pypi" + ".org/simple", "a package registry's host"),
        ("cd /" + "home/somebody/atelier", "a path of somebody's machine"),
        ("open('/" + "work/main/x')", "a path of somebody's machine"),
    ],
)
def test_what_must_not_be_there_is_found_with_its_line(tmp_path: Path, content: str, what: str) -> None:
    status, report = check(tmp_path, CLEAN | {"docs/notes.txt": "first line\n" + content})

    assert (status, report) == (1, f"docs/notes.txt:2: {what}\n")


def test_the_lock_file_may_name_the_registry(tmp_path: Path) -> None:
    assert check(tmp_path, CLEAN | {"uv.lock": "https://pypi" + ".org/simple"}) == (0, "")


@pytest.mark.parametrize("name", [".env", "deploy/issuer.pem"])
def test_a_file_that_holds_secrets_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    status, report = check(tmp_path, CLEAN | {name: "x"})

    assert status == 1
    assert report.startswith(f"{name}: ")


def test_an_env_file_that_git_would_take_is_refused_before_it_exists(tmp_path: Path) -> None:
    status, report = check(tmp_path, CLEAN | {".gitignore": ""})

    assert status == 1
    assert ".env must be ignored" in report


def test_an_unpacked_archive_is_checked_as_well_but_for_what_set_up_made(tmp_path: Path) -> None:
    status, report = check(tmp_path, CLEAN | {".venv/key.pem": "x", "b.txt": "-----BEGIN " + "PRIVATE KEY-----\n"})
    assert (status, report.count("\n")) == (1, 2), "both are tracked"

    shutil.rmtree(tmp_path / ".git")
    done = subprocess.run([sys.executable, TREE], cwd=tmp_path, check=False, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (1, "b.txt:1: a private key\n")
