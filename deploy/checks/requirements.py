"""Every requirement that code, tests and pages cite can be read in ``docs/requirements``.

``python deploy/checks/requirements.py`` in the root of the repository prints each citation that leads nowhere as
``file:line`` and exits 1 if there is one. Cited are rows ("002.4", "seed 002.4"), whole seeds ("seed 002") and settled
questions ("settled question 9", "settled 9"). A document that is not in the repository is not cited at all.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tree import list_files

PAGES = Path("docs/requirements")
ROW = re.compile(r"^\| (\d{3}\.\d+) \|", re.MULTILINE)
SEED = re.compile(r"^## (\d{3}):", re.MULTILINE)
SETTLED = re.compile(r"^\| (\d+) \|", re.MULTILINE)
CITED_ROW = re.compile(r"(?<![\d.`$/:])\b(00\d\.\d{1,2})\b(?!\.\d)")
CITED_SEED = re.compile(r"\bseed (\d{3})\b")
CITED_ADR = re.compile(r"\bADR-(\d+)\b")
CITED_SETTLED = re.compile(r"\bsettled (?:questions? )?(\d+)\b")
ABSENT = {
    re.compile(r"\bREQUIREMENTS\b"): "cite a row of docs/requirements",
    re.compile(r"\b(?:DESIGN|NAMES|FAULTS|STYLE)\.md\b"): "no such page is in the repository",
}
READ = (".py", ".md", ".toml", ".sh", ".mjs")
SKIPPED = ("docs/requirements/", "deploy/checks/", "CHANGELOG.md", "migrations/versions/")


@dataclass(frozen=True, slots=True)
class Requirements:
    """What the pages hold: rows, seeds, numbers of settled questions and of ADRs."""

    rows: frozenset[str]
    seeds: frozenset[str]
    settled: frozenset[str]
    adrs: frozenset[str]

    @classmethod
    def read(cls, pages: Path) -> "Requirements":
        """From ``README.md`` and ``settled.md`` of a folder."""
        main = (pages / "README.md").read_text()
        settled = (pages / "settled.md").read_text()
        return cls(
            frozenset(ROW.findall(main)),
            frozenset(SEED.findall(main)),
            frozenset(SETTLED.findall(settled)),
            frozenset(CITED_ADR.findall(main)),
        )


def faults(text: str, known: Requirements) -> Iterator[tuple[int, str]]:
    """(line, sentence) for each citation in a file that leads nowhere."""
    for pattern, rows, what in (
        (CITED_ROW, known.rows, "requirement"),
        (CITED_SEED, known.seeds, "seed"),
        (CITED_SETTLED, known.settled, "settled question"),
        (CITED_ADR, known.adrs, "ADR"),
    ):
        for match in pattern.finditer(text):
            if match.group(1) not in rows:
                yield _line(text, match.start()), f"{what} {match.group(1)} is not in {PAGES}: cite a row that is"
    for pattern, advice in ABSENT.items():
        for match in pattern.finditer(text):
            yield _line(text, match.start()), f"{match.group()} cannot be read here: {advice}"


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def main(root: Path = Path()) -> int:
    """Prints the faults of all tracked files; 1 if there is one."""
    known = Requirements.read(root / PAGES)
    found = [
        f"{name}:{line}: {sentence}"
        for name in list_files(root)
        if name.endswith(READ) and not any(part in name for part in SKIPPED) and (root / name).is_file()
        for line, sentence in faults((root / name).read_text(), known)
    ]
    sys.stdout.writelines(f"{fault}\n" for fault in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
