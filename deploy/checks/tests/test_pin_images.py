"""pin_images.py: an image with neither digest nor reason is named; digests take the place of reasons, all or none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "deploy/checks/pin_images.py"
DIGEST = f"sha256:{'0a' * 32}"
COMPOSE = f"""services:
  billing:
    image: atelier-billing:0.1.0
  store:
    image: &store minio/minio:1@{DIGEST}
  again:
    image: *store
  database:
    # no digest: nobody was there
    image: postgres:18
"""
DOCKERFILE = "# no digest: nobody was there\nARG PYTHON_IMAGE=python:3.11\nFROM ${PYTHON_IMAGE} AS builder\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "deploy/images").mkdir(parents=True)
    (tmp_path / "deploy/images/Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "docker-compose.yml").write_text(COMPOSE)
    return tmp_path


def run(where: Path, *arguments: str, path: str = "/nowhere") -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PATH": path}
    command = [sys.executable, str(SCRIPT), *arguments]
    return subprocess.run(command, cwd=where, check=False, capture_output=True, text=True, env=environment)


def registry(where: Path, answer: str, status: int = 0) -> str:
    """A folder with a ``docker`` that answers each look-up so."""
    (where / "bin").mkdir()
    (where / "bin/docker").write_text(f"#!/bin/sh\necho '{answer}'\nexit {status}\n")
    (where / "bin/docker").chmod(0o755)
    return f"{where / 'bin'}:/usr/bin:/bin"


def test_every_third_party_image_here_is_pinned_by_digest_or_says_why_not() -> None:
    done = run(ROOT, "--check")

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_an_image_with_a_digest_or_a_reason_passes(tree: Path) -> None:
    assert run(tree, "--check").returncode == 0


@pytest.mark.parametrize("file", ["docker-compose.yml", "deploy/images/Dockerfile"])
def test_an_image_with_neither_is_named(tree: Path, file: str) -> None:
    text = (tree / file).read_text()
    (tree / file).write_text(text.replace("# no digest: nobody was there", "# a tag is enough"))

    done = run(tree, "--check")

    assert done.returncode == 1
    assert done.stdout.startswith(f"{file}: ")


def test_digests_of_the_registry_take_the_place_of_reasons(tree: Path) -> None:
    assert run(tree, path=registry(tree, DIGEST)).returncode == 0

    assert f"  database:\n    image: postgres:18@{DIGEST}\n" in (tree / "docker-compose.yml").read_text()
    dockerfile = (tree / "deploy/images/Dockerfile").read_text()
    assert dockerfile == f"ARG PYTHON_IMAGE=python:3.11@{DIGEST}\nFROM ${{PYTHON_IMAGE}} AS builder\n"
    assert run(tree, "--check").returncode == 0


@pytest.mark.parametrize(("answer", "status"), [("no such host", 1), ("not a digest", 0)])
def test_where_one_cannot_be_looked_up_nothing_is_changed(tree: Path, answer: str, status: int) -> None:
    done = run(tree, path=registry(tree, answer, status))

    assert done.returncode == 1
    assert "cannot be looked up" in done.stderr
    assert (tree / "docker-compose.yml").read_text() == COMPOSE


def test_without_docker_it_says_so(tree: Path) -> None:
    assert "cannot be looked up" in run(tree).stderr
