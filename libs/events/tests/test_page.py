"""The page for subscribers shows the example that is tested."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
LINES_MAX = 15


def test_the_lines_of_the_page_are_those_of_the_example() -> None:
    example = (ROOT / "examples" / "credit_totals" / "credit_totals.py").read_text()
    lines = [line for line in example.splitlines() if line.strip()]

    assert example in (ROOT / "docs" / "how-to" / "subscribe-to-events.md").read_text()
    assert len(lines) - len([line for line in lines if line.startswith(("import", "from", '"""'))]) <= LINES_MAX
