"""The tables "Requirement → test" of the docs: every requirement has its row, and every test named there exists."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[3]
DOCS = REPOSITORY / "docs"
LINES = {"000": 10, "001": 7, "002": 10, "003": 7, "004": 6}
"""How many numbered lines each seed has in the requirements."""
ENHANCEMENTS = ("own storage", "edits, variations", "batches", "webhooks", "image analysis", "reuse", "fail-over")
"""What 003.7 lists."""
NATIVE = (
    "`POST /v1/generations`",
    "`GET /v1/generations`",
    "`POST …/cancel`",
    "`DELETE`",
    "`…/events`",
    "`…/explain`",
    "`POST /v1/quotes`",
    "`/v1/credits`",
    "`/v1/uploads`",
    "`/v1/webhooks`",
    "problems",
)
SETTLED = 22
REQUIRED = (
    *(f"{seed}.{line}" for seed, lines in LINES.items() for line in range(1, lines + 1)),
    *(f"003.7 {name}" for name in ENHANCEMENTS),
    *NATIVE,
    *(f"settled {number}" for number in range(1, SETTLED + 1)),
    "settled 24",
)
TESTS = ("services/*/tests", "libs/*/tests", "deploy/*/tests", "tests-e2e")


def rows() -> Iterator[tuple[str, str]]:
    """(what is required, which tests prove it) of every table in the docs."""
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text()
        section = text.partition("## Requirement → test")[2]
        for line in _spelt_out(section).splitlines():
            if line.startswith("| ") and not line.startswith(("| line", "| requirement")):
                required, _, proof = line.strip("| ").partition(" | ")
                yield required, proof


def _spelt_out(section: str) -> str:
    """With the letters that stand for the beginnings of paths replaced by what they stand for."""
    short: dict[str, str] = dict(re.findall(r"`([A-Z])` = `([^`]+)`", section))
    for letter, path in short.items():
        section = re.sub(rf"`{letter}(?=[_.s`])", f"`{path}", section)
    return section


def all_tests() -> set[str]:
    """Every test function there is, and every file of tests by its path and by its name."""
    found = set()
    for folder in TESTS:
        for file in REPOSITORY.glob(f"{folder}/**/*.py"):
            found |= {file.name, str(file.relative_to(REPOSITORY)), str(file.relative_to(REPOSITORY)).partition("/")[2]}
            found |= set(re.findall(r"^\s*(?:async )?def (test_\w+)", file.read_text(), re.MULTILINE))
    return found


@pytest.mark.parametrize("required", REQUIRED)
def test_a_requirement_has_a_row_with_a_test(required: str) -> None:
    proofs = [proof for row, proof in rows() if row == required or row.startswith((f"{required} ", f"{required},"))]

    assert any(re.search(r"`[^`]*test_\w+", proof) for proof in proofs)


def test_every_test_that_is_named_exists() -> None:
    named = {
        name
        for _, proof in rows()
        for quoted in re.findall(r"`([^`]+)`", proof)
        for name in quoted.split("::")
        if "test_" in name
    }

    assert len(named) > 100
    assert sorted(named - all_tests()) == []
