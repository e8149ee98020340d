"""Every path and every make target that a README names exists; a newcomer's first ten minutes have no dead end.

``python deploy/checks/readme_paths.py README.md services/README.md``, in the root of the repository. The links of all
other tracked pages are followed, too.
"""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

FENCE = re.compile(r"^(```|~~~).*?^\1", re.DOTALL | re.MULTILINE)
INLINE_CODE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\]\(\s*<?([^)\s>]+)")
PATH = re.compile(r"[\w.*-]+(?:/[\w.*-]+)*/?")
MAKE = re.compile(r"(?:^|[;&|$(]\s*)make +((?:[a-z][\w-]*|\w+=\S+)(?: +(?:[a-z][\w-]*|\w+=\S+))*)", re.MULTILINE)
TARGET = re.compile(r"^([\w .-]+?)\s*::?(?!=)", re.MULTILINE)
FILE_ENDINGS = {".json", ".lock", ".md", ".png", ".py", ".sh", ".sql", ".svg", ".toml", ".yaml", ".yml"}
MEDIA_TYPES = {"application", "image", "multipart", "text"}
MADE_LATER = {".run", ".env", ".secrets"}
"""Written by the launcher or by set-up: not there in a fresh clone."""
PLACEHOLDER = "NAME"
"""Stands in a how-to for what the reader adds."""


def problems(readme: Path, root: Path) -> list[str]:
    """One sentence for each thing that ``readme`` names and ``root`` does not have."""
    if not readme.is_file():
        return [f"{readme.relative_to(root)} is missing"]
    text = readme.read_text()
    name = readme.relative_to(root)
    paths = {*paths_in(text, {entry.name for entry in root.iterdir()})}
    lost = [f"{name} names {path}, which does not exist" for path in sorted(paths) if not exists(path, readme, root)]
    lost += find_broken_links(readme, root)
    unknown = sorted({*targets_in(text)} - make_targets(root))
    return lost + [f"{name} names `make {target}`, which the Makefile does not have" for target in unknown]


def find_broken_links(page: Path, root: Path) -> list[str]:
    """A link counts from its page alone, as a browser follows it."""
    links = {link.partition("#")[0] for link in LINK.findall(FENCE.sub("", page.read_text()))}
    ours = sorted(link for link in links if link and not re.match(r"[a-z]+:|/", link))
    name = page.relative_to(root)
    return [f"{name} names {link}, which does not exist" for link in ours if not (page.parent / link).exists()]


def pages(root: Path) -> list[Path]:
    """Every Markdown page that git tracks; none outside of a repository."""
    listing = ["git", "ls-files", "*.md"]
    done = subprocess.run(listing, cwd=root, check=False, capture_output=True, text=True)  # noqa: S603 - always this
    return [root / name for name in done.stdout.splitlines()]


def paths_in(text: str, top: set[str]) -> Iterator[str]:
    """Inline code that looks like a path, and in code blocks whatever begins like a path of this repository."""
    blocks = "\n".join(match.group(0) for match in FENCE.finditer(text))
    prose = FENCE.sub("", text)
    for code in INLINE_CODE.findall(prose):
        if PATH.fullmatch(code) and looks_like_a_path(code):
            yield code
    for word in PATH.findall(blocks):
        if "/" in word and word.split("/")[0] in top:
            yield word


def looks_like_a_path(code: str) -> bool:
    first, slash, _ = code.partition("/")
    if first in MEDIA_TYPES:
        return False
    return bool(slash) or Path(code).suffix in FILE_ENDINGS


def exists(path: str, readme: Path, root: Path) -> bool:
    """A path counts from the root or from the README; a bare file name may be anywhere in the tree."""
    if MADE_LATER & set(path.split("/")) or PLACEHOLDER in path:
        return True
    pattern = path.rstrip("/")
    if any(any(start.glob(pattern)) for start in (root, readme.parent)):
        return True
    return "/" not in path and any(
        found.match(pattern)
        for part in ("libs", "services", "deploy", "tests-e2e")
        for found in (root / part).rglob("*")
    )


def targets_in(text: str) -> Iterator[str]:
    """Targets of ``make …`` in code, never in prose ("make sure")."""
    code = [match.group(0).replace("```", "") for match in FENCE.finditer(text)]
    code += INLINE_CODE.findall(FENCE.sub("", text))
    for piece in code:
        for words in MAKE.findall(piece):
            yield from (word for word in words.split() if "=" not in word)


def make_targets(root: Path) -> set[str]:
    makefile = root / "Makefile"
    if not makefile.is_file():
        return set()
    return {target for line in TARGET.findall(makefile.read_text()) for target in line.split()}


def main(names: list[str]) -> int:
    root = Path.cwd()
    found = [problem for name in names for problem in problems(root / name, root)]
    others = [page for page in pages(root) if page not in {root / name for name in names} and page.is_file()]
    found += [problem for page in others for problem in find_broken_links(page, root)]
    sys.stdout.writelines(f"{problem}\n" for problem in found)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
