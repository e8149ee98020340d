"""Every link of every Markdown page leads to a file, and its fragment to a heading there.

``python deploy/checks/links.py`` in the root of the repository prints each link that does not and exits 1.
"""

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tree import list_files

FENCE = re.compile(r"^ *(```|~~~).*?^ *\1 *$", re.DOTALL | re.MULTILINE)
CODE = re.compile(r"`[^`\n]*`")
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)")
HEADING = re.compile(r"^#{1,6} +(.+?)\s*$", re.MULTILINE)
IDENTIFIER = re.compile(r"""<\w+[^>]*\b(?:id|name)=["']([^"']+)["']""")
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:|/")


def find_broken_links(page: Path) -> Iterator[str]:
    """One sentence for each link of the page that leads nowhere. Addresses on the network are not checked."""
    for link in LINK.findall(CODE.sub("", FENCE.sub("", page.read_text()))):
        if OUTSIDE.match(link):
            continue
        name, _, fragment = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists():
            yield f"links to {link}, which does not exist"
        elif fragment and target.suffix == ".md" and fragment not in anchors_of(target.resolve()):
            yield f"links to {link}, but {target.name} has no such heading"


@cache
def anchors_of(page: Path) -> frozenset[str]:
    """The fragments of a page: its headings as code hosts name them, and the ids that it sets itself."""
    text = FENCE.sub("", page.read_text())
    seen: dict[str, int] = {}
    for heading in HEADING.findall(text):
        name = anchor(heading)
        seen[name] = seen.get(name, 0) + 1
    numbered = {f"{name}-{number}" for name, count in seen.items() for number in range(1, count)}
    return frozenset({*seen, *numbered, *IDENTIFIER.findall(text)})


def anchor(heading: str) -> str:
    """The fragment of a heading: lower case, without punctuation, spaces as hyphens."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def main() -> int:
    """Command line: print each broken link of the tracked pages."""
    pages = [path for path in map(Path, list_files(Path())) if path.suffix == ".md" and path.is_file()]
    lost = [f"{page}: {problem}" for page in pages for problem in find_broken_links(page)]
    sys.stdout.writelines(f"{line}\n" for line in lost)
    return 1 if lost or not pages else 0


if __name__ == "__main__":
    sys.exit(main())
