"""readme_paths.py finds names that lead nowhere, and lets be what is no path."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "readme_paths.py"


def check(where: Path, readme: str) -> list[str]:
    """The problems found in a small repository with this README."""
    (where / "services/session").mkdir(parents=True)
    (where / "services/session/saga.py").touch()
    (where / "Makefile").write_text(".PHONY: demo up\ndemo up: tools\n\trun $@\nPROFILE := default\ntest:\n\tpytest\n")
    (where / "README.md").write_text(readme)
    done = subprocess.run([sys.executable, SCRIPT, "README.md"], cwd=where, check=False, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.returncode == (1 if done.stdout else 0)
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "text",
    [
        "`services/session/saga.py`, `saga.py`, `services/*/saga.py`, [the saga](services/session/saga.py#table)",
        "`make demo`, `make up PROFILE=two`, and make sure of it",
        "```\n$ make demo PERSON=a.jpg\nservices/session  waits\n```",
        "`application/json`, `GET /v1/generations`, `Idempotency-Key`, `store.lock_account(tx)`, [us](https://example.org/x)",
        "`.run/default/env`, `deploy/.secrets` and `.env` are made later",
        "`services/NAME/store.py` is added by the reader",
    ],
)
def test_what_exists_and_what_is_no_path_passes(tmp_path: Path, text: str) -> None:
    assert check(tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("`services/session/sage.py`", "services/session/sage.py"),
        ("`sage.py`", "sage.py"),
        ("`servises/session`", "servises/session"),
        ("`services/*/ledger.py`", "services/*/ledger.py"),
        ("[the saga](services/sage.py)", "services/sage.py"),
        ("```\nservices/billing  counts\n```", "services/billing"),
    ],
)
def test_a_path_that_leads_nowhere_is_named(tmp_path: Path, text: str, lost: str) -> None:
    assert check(tmp_path, text) == [f"README.md names {lost}, which does not exist"]


def test_the_links_of_every_tracked_page_are_followed_from_where_it_stands(tmp_path: Path) -> None:
    page = tmp_path / "services/docs/page.md"
    page.parent.mkdir(parents=True)
    page.write_text(
        "[right](../session/saga.py#table) [wrong](services/session/saga.py) [us](https://example.org/x) [here](#x)"
    )
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "."], cwd=tmp_path, check=True)

    assert check(tmp_path, "") == ["services/docs/page.md names services/session/saga.py, which does not exist"]


@pytest.mark.parametrize("text", ["`make dmo`", "```\nmake dmo\n```", "```\n$ make demo dmo\n```"])
def test_a_make_target_that_does_not_exist_is_named(tmp_path: Path, text: str) -> None:
    assert check(tmp_path, text) == ["README.md names `make dmo`, which the Makefile does not have"]


def test_a_missing_readme_is_a_problem(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, SCRIPT, "README.md"], cwd=tmp_path, check=False, capture_output=True, text=True
    )

    assert (done.returncode, done.stdout) == (1, "README.md is missing\n")
