"""citations.py finds a test that is not there and a row without one; every row of the review is on its page."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "deploy/checks/citations.py"
REVIEW = {
    "threat-model.md": (
        *(f"H{number}" for number in range(1, 5)),
        *(f"M{number}" for number in range(1, 11)),
        *(f"L{number}" for number in range(1, 15)),
        *("API keys", "JWT", "tenancy", "row-level security", "SSRF", "images", "bodies", "storage", "injection"),
        *("rate limits", "idempotency", "mass assignment", "money", "secrets", "broker", "messages", "webhooks"),
        *("console", "containers"),
    ),
    "cases.md": (
        *(f"F{number}" for number in range(1, 18)),
        *(f"A{number}" for number in range(1, 9)),
        *(f"O{number}" for number in (1, 2, 3, 6, 8, 9, 12, 13)),
        *(f"U{number}" for number in ("1.1", "1.2", "1.3", "1.4", "3.1", "3.2", "3.3")),
    ),
}
PAGE = """# Page

| row | what | tests |
|---|---|---|
| H1 | a | `tests/test_a.py::test_one` <br> `tests/test_a.py::test_two` |
"""


def run(where: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, SCRIPT], cwd=where, check=False, capture_output=True, text=True)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "docs/security").mkdir(parents=True)
    (tmp_path / "docs/security/page.md").write_text(PAGE)
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests/test_a.py").write_text(
        "def test_one(): ...\nclass TestTwo:\n    async def test_two(self): ...\n"
    )
    return tmp_path


@pytest.mark.parametrize("page", REVIEW)
def test_every_row_of_the_review_is_on_its_page(page: str) -> None:
    text = (ROOT / "docs/security" / page).read_text()

    labels = re.findall(r"^\| ([^|]+?) \|", text, re.MULTILINE)
    assert [row for row in REVIEW[page] if labels.count(row) != 1] == []


def test_every_test_that_the_security_pages_name_exists_and_no_row_is_without_one() -> None:
    done = run(ROOT)

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_what_exists_passes(tree: Path) -> None:
    assert run(tree).returncode == 0


@pytest.mark.parametrize(
    ("old", "new", "gap"),
    [
        ("::test_two", "::test_to", "tests/test_a.py::test_to does not exist"),
        ("test_a.py::test_one", "test_b.py::test_one", "tests/test_b.py::test_one does not exist"),
        ("`tests/test_a.py::test_one` <br> `tests/test_a.py::test_two`", "read in the source", "H1 names no test"),
    ],
)
def test_what_is_missing_is_named(tree: Path, old: str, new: str, gap: str) -> None:
    (tree / "docs/security/page.md").write_text(PAGE.replace(old, new))

    done = run(tree)

    assert (done.returncode, done.stdout) == (1, f"docs/security/page.md: {gap}\n")
