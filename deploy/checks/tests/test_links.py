"""links.py names each link that leads nowhere, by its page, and follows no address on the network."""

import subprocess
import sys
from pathlib import Path

import links
import pytest

LINKS = Path(links.__file__)
PAGE = '# First page\n\n## Twice: `a`\n\n## Twice: `a`\n\n<a id="mark"></a>\n'


def check(where: Path, text: str) -> tuple[int, str]:
    """(exit status, what is printed) for a repository of two pages, the second with this text."""
    (where / "folder").mkdir()
    (where / "folder/first.md").write_text(PAGE)
    (where / "second.md").write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=where, check=True)
    subprocess.run(["git", "add", "."], cwd=where, check=True)
    done = subprocess.run([sys.executable, LINKS], cwd=where, check=False, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    "text",
    [
        "[a](folder/first.md#first-page) [b](folder/first.md#twice-a-1) [c](folder/first.md#mark)",
        "# Here\n\n[a](#here) [b](https://nowhere.example/#x) [c](/docs) [d](folder)",
        "```md\n[a](gone.md)\n```\n\n`[b](gone.md)`",
    ],
)
def test_good_links_pass(tmp_path: Path, text: str) -> None:
    assert check(tmp_path, text) == (0, "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[a](gone.md)", "links to gone.md, which does not exist"),
        ("![a](folder/gone.png)", "links to folder/gone.png, which does not exist"),
        ("[a](folder/first.md#second)", "links to folder/first.md#second, but first.md has no such heading"),
        ("[a](#here)", "links to #here, but second.md has no such heading"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, text: str, problem: str) -> None:
    assert check(tmp_path, text) == (1, f"second.md: {problem}\n")
