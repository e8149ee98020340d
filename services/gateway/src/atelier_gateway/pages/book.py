"""The book: the Markdown of ``docs/`` in the order of its index, as chapters, search results and files."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from atelier_gateway.pages.markdown import Rendered, anchors_of, plain, render

PACKED = Path(__file__).parents[1] / "book"
"""Where the book lies in an image: the Dockerfile copies it into the package."""
CHECKOUT = Path(__file__).parents[5] / "docs"
FILES = {".jpg", ".png", ".svg", ".json", ".py"}
HITS_MAX = 30
SNIPPET_CHARS = 180
HEADING_WEIGHT = 10
_ENTRY = re.compile(r"^- \[(?P<title>[^\]]+)\]\((?P<target>[^)#]+)\)(?:: (?P<about>.+))?$")
_HEADING = re.compile(r"^#{1,6} +(.+?)\s*$")


@dataclass(frozen=True, slots=True)
class Chapter:
    """One page: where it is served below ``/docs``, its file, its title in the index."""

    path: str
    file: Path
    title: str


@dataclass(frozen=True, slots=True)
class Part:
    """One heading of the index with its chapters."""

    title: str
    chapters: list[Chapter]


@dataclass(frozen=True, slots=True)
class Hit:
    """A section that holds all words of a search."""

    chapter: Chapter
    heading: str
    anchor: str
    snippet: str
    score: int


@dataclass(frozen=True, slots=True)
class Section:
    """The text below one heading."""

    chapter: Chapter
    heading: str
    anchor: str
    text: str


@dataclass
class Book:
    """All chapters; empty where an installation comes without the Markdown."""

    root: Path
    parts: Sequence[Part] = ()
    files: Mapping[str, Path] = field(default_factory=dict)
    _pages: dict[str, Rendered] = field(default_factory=dict)

    @cached_property
    def chapters(self) -> Mapping[str, Chapter]:
        """By path; the index itself is at the empty path."""
        listed = [chapter for part in self.parts for chapter in part.chapters]
        index = [Chapter("", self.root / "README.md", "Contents")] if listed else []
        return {chapter.path: chapter for chapter in (*index, *listed)}

    def rendered(self, chapter: Chapter) -> Rendered:
        """The page as HTML, made once."""
        if chapter.path not in self._pages:
            self._pages[chapter.path] = render(chapter.file.read_text(), chapter.file, self.root)
        return self._pages[chapter.path]

    def neighbours(self, chapter: Chapter) -> tuple[Chapter | None, Chapter | None]:
        """The chapters before and after, in the order of the index."""
        order = list(self.chapters.values())
        at = order.index(chapter)
        return order[at - 1] if at else None, order[at + 1] if at + 1 < len(order) else None

    def search(self, query: str) -> list[Hit]:
        """The sections that hold every word of the query, best first; none for an empty query."""
        words = query.lower().split()
        if not words:
            return []
        hits = [hit for section in self._sections if (hit := _hit(section, words)) is not None]
        return sorted(hits, key=lambda hit: -hit.score)[:HITS_MAX]

    @cached_property
    def _sections(self) -> list[Section]:
        return [section for chapter in self.chapters.values() if chapter.path for section in _sections_of(chapter)]


def open_book(root: Path | None = None) -> Book:
    """The book of this installation, or of a folder: headings of its ``README.md`` are parts, bullets are chapters."""
    root = root or (PACKED if PACKED.is_dir() else CHECKOUT)
    index = root / "README.md"
    if not index.is_file():
        return Book(root)
    files = {str(file.relative_to(root)): file for file in root.rglob("*") if file.suffix in FILES}
    return Book(root, _parts_of(index.read_text(), root), files)


def path_of(file: Path, root: Path) -> str:
    """Where a Markdown file is served below ``/docs``: without its ending, a README as its folder."""
    path = file.relative_to(root).with_suffix("")
    return "/".join(path.parts[:-1] if path.name == "README" else path.parts)


def _parts_of(index: str, root: Path) -> list[Part]:
    parts: list[Part] = []
    for line in index.splitlines():
        if line.startswith("## "):
            parts.append(Part(line.removeprefix("## "), []))
        elif parts and (entry := _ENTRY.match(line)):
            file = root / entry["target"]
            parts[-1].chapters.append(Chapter(path_of(file, root), file, entry["title"]))
    return parts


def _sections_of(chapter: Chapter) -> Iterator[Section]:
    text = chapter.file.read_text()
    anchors = iter(anchors_of(text))
    heading, anchor, lines, is_code = chapter.title, "", list[str](), False
    for line in text.splitlines():
        is_code ^= line.lstrip().startswith("```")
        found = None if is_code else _HEADING.match(line)
        if found is None:
            lines.append(line)
            continue
        yield Section(chapter, heading, anchor, plain("\n".join(lines)))
        heading, anchor, lines = plain(found[1]), next(anchors), []
    yield Section(chapter, heading, anchor, plain("\n".join(lines)))


def _hit(section: Section, words: Sequence[str]) -> Hit | None:
    heading, text = f"{section.chapter.title} {section.heading}".lower(), section.text.lower()
    if not all(word in heading or word in text for word in words):
        return None
    score = sum(HEADING_WEIGHT * (word in heading) + min(text.count(word), HEADING_WEIGHT) for word in words)
    first = min((at for word in words if (at := text.find(word)) >= 0), default=0)
    start = max(0, first - SNIPPET_CHARS // 3)
    snippet = ("… " if start else "") + section.text[start : start + SNIPPET_CHARS].strip()
    return Hit(section.chapter, section.heading, section.anchor, snippet, score)
