"""Every test that a page of ``docs/security`` and ``docs/design`` names exists, and every row of its tables names one.

``python deploy/checks/citations.py`` in the root of the repository prints each gap and exits 1 if there is one. A
test is named as ``path::name`` in code; a row begins with its label, such as H1, or with the name of its area.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

PAGES = (Path("docs/security"), Path("docs/design"))
NAMED = re.compile(r"`([\w./-]+\.py)::(\w+)`")
TABLE = re.compile(r"^\|(?P<head>.*\| tests \|)\n\|[-|]+\|\n(?P<body>(?:\|.*\n)+)", re.MULTILINE)


def rows(text: str) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """(label, [(path, name of a test)]) of each row of each table whose last column is its tests."""
    for table in TABLE.finditer(text):
        for line in table["body"].splitlines():
            yield line.strip("| ").partition("|")[0].strip(), NAMED.findall(line.rstrip("| ").rpartition("|")[2])


def gaps(text: str, root: Path) -> Iterator[str]:
    """What is missing on a page."""
    for label, tests in rows(text):
        if not tests:
            yield f"{label} names no test"
    for path, name in sorted(set(NAMED.findall(text))):
        if name not in tests_of(root / path):
            yield f"{path}::{name} does not exist"


def tests_of(file: Path) -> set[str]:
    """The names of the tests in a file; none where there is no such file."""
    if not file.is_file():
        return set()
    tree = ast.parse(file.read_text())
    found = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    return {name for name in found if name.startswith("test_")}


def main() -> int:
    pages = sorted(page for folder in PAGES for page in folder.glob("*.md"))
    lost = [f"{page}: {gap}" for page in pages for gap in gaps(page.read_text(), Path())]
    sys.stdout.writelines(f"{line}\n" for line in lost)
    return 1 if lost or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
