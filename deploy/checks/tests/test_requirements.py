"""requirements.py finds each citation that cannot be read in the repository, with its line."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "requirements.py"
PAGES = {
    "docs/requirements/README.md": "ADR-4 is row 002.1\n\n## 002: form\n\n| 002.1 | x |\n| 002.10 | y |\n",
    "docs/requirements/settled.md": "| 1 | prices | x |\n",
}


def check(where: Path, text: str) -> tuple[int, str]:
    """(exit status, findings) for a repository with one module of this text."""
    for name, content in (PAGES | {"libs/a.py": text}).items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(content)
    subprocess.run(["git", "init", "-q"], cwd=where, check=True)
    subprocess.run(["git", "add", "."], cwd=where, check=True)
    done = subprocess.run([sys.executable, SCRIPT], cwd=where, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "text", ["seed 002", "002.10", "settled question 1, ADR-4", "0.002.9", "127.0.002.7", "version 002.10.3"]
)
def test_what_can_be_read_here_may_be_cited(tmp_path: Path, text: str) -> None:
    assert check(tmp_path, f"# {text}\n") == (0, "")


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("seed 002.9", "requirement 002.9 is not in docs/requirements: cite a row that is"),
        ("seed 003", "seed 003 is not in docs/requirements: cite a row that is"),
        ("settled questions 2", "settled question 2 is not in docs/requirements: cite a row that is"),
        ("ADR-9", "ADR 9 is not in docs/requirements: cite a row that is"),
        ("REQUIREMENTS, too", "REQUIREMENTS cannot be read here: cite a row of docs/requirements"),
        ("see DESIGN.md", "DESIGN.md cannot be read here: no such page is in the repository"),
    ],
)
def test_a_citation_that_leads_nowhere_is_named_with_its_line(tmp_path: Path, text: str, fault: str) -> None:
    assert check(tmp_path, f'"""A module.\n\nBy {text}."""\n') == (1, f"libs/a.py:3: {fault}\n")
