"""The book is served as it lies in the repository: every chapter, every link, and nothing that could run."""

import re
from pathlib import Path

import pytest

from atelier_gateway.pages.book import Book, open_book
from atelier_gateway.pages.markdown import diagram, plain, render

from ..support.world import World

INDEX = """# A book

## First

- [One](one.md): the first
- [Two](deep/two.md): the second

## Last

- [Three](deep/README.md)
"""


@pytest.fixture
def book(tmp_path: Path) -> Book:
    """Three chapters, one file beside them, one page that the index does not list."""
    (tmp_path / "docs/deep").mkdir(parents=True)
    (tmp_path / "docs/README.md").write_text(INDEX)
    (tmp_path / "docs/one.md").write_text(
        "# One\n\nA hold.\n\n## Twice\n\nSame hold\n\n## Twice\n\n```\n# no heading\n```\n"
    )
    (tmp_path / "docs/deep/two.md").write_text("# Two\n\nSee [one](../one.md#twice), [code](../../saga.py).\n")
    (tmp_path / "docs/deep/README.md").write_text("# Three\n\n![seen](pic.png)\n")
    (tmp_path / "docs/deep/pic.png").write_bytes(b"png")
    (tmp_path / "docs/hidden.md").write_text("# Hidden\n")
    (tmp_path / "saga.py").write_text("")
    return open_book(tmp_path / "docs")


def test_the_index_is_the_order_of_the_chapters_and_a_folder_is_its_readme(book: Book) -> None:
    assert [part.title for part in book.parts] == ["First", "Last"]
    assert list(book.chapters) == ["", "one", "deep/two", "deep"]


def test_each_chapter_leads_to_the_one_before_and_the_one_after(book: Book) -> None:
    neighbours = {path: book.neighbours(chapter) for path, chapter in book.chapters.items()}

    assert [after.path for _, after in neighbours.values() if after] == ["one", "deep/two", "deep"]
    assert [before.path for before, _ in neighbours.values() if before] == ["", "one", "deep/two"]
    assert neighbours[""][0] is neighbours["deep"][1] is None


def test_a_link_leads_to_the_served_page_and_a_file_of_the_repository_is_named(book: Book) -> None:
    html = book.rendered(book.chapters["deep/two"]).html

    assert '<a href="/docs/one#twice">one</a>' in html
    assert "saga.py</code>" in html
    assert "href=" not in html.partition("code")[2]


def test_pictures_are_served_and_other_files_are_not(book: Book) -> None:
    assert 'src="/docs/deep/pic.png"' in book.rendered(book.chapters["deep"]).html
    assert list(book.files) == ["deep/pic.png"]


def test_a_repeated_heading_has_an_anchor_of_its_own(book: Book) -> None:
    html = book.rendered(book.chapters["one"]).html

    assert 'id="twice"' in html
    assert 'id="twice-1"' in html


def test_a_search_finds_the_section_that_holds_all_words(book: Book) -> None:
    assert [(hit.chapter.path, hit.anchor) for hit in book.search("SAME hold")] == [("one", "twice")]
    assert book.search("hold nowhere") == []
    assert book.search("  ") == []


def test_a_section_whose_heading_holds_the_word_comes_first(book: Book) -> None:
    assert book.search("one")[0].heading == "One"


def test_without_the_markdown_there_is_no_chapter(tmp_path: Path) -> None:
    empty = open_book(tmp_path)

    assert (list(empty.chapters), empty.search("hold")) == ([], [])


def test_code_is_shown_as_it_is_and_a_table_scrolls_by_itself(tmp_path: Path) -> None:
    text = "# T\n\n```sh\ncurl <b>\n```\n\n| a |\n|---|\n| b |\n"

    html = render(text, tmp_path / "t.md", tmp_path).html

    assert "curl &lt;b&gt;" in html
    assert '<div class="table" role="region" aria-label="Table 1" tabindex="0">' in html


def test_a_wide_diagram_is_reached_by_the_keyboard(tmp_path: Path) -> None:
    html = render("![Arrows](a.svg)\n\n![Photo](a.jpg)\n", tmp_path / "t.md", tmp_path).html

    assert re.findall(r"<p[^>]*>", html) == ['<p tabindex="0">', "<p>"]


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("    queued --> rendering: RenderStarted", ["queued", "RenderStarted", "rendering"]),
        ("    client([API client]) -- HTTP --> gateway", ["API client", "HTTP", "gateway"]),
        ('    session -- "A, B" --> billing', ["session", "A, B", "billing"]),
        ("    [*] --> sent: now", ["(start or end)", "now", "sent"]),
    ],
)
def test_an_arrow_of_a_diagram_is_a_row(line: str, cells: list[str]) -> None:
    assert re.findall("<td>(.*?)</td>", diagram(line)) == cells


def test_markdown_reads_as_words() -> None:
    assert plain("a [link](x.md) | `code` **bold** <br> <!-- note -->") == "a link code bold"


def test_every_page_of_the_books_folder_is_in_its_index() -> None:
    book = open_book()

    pages = {file.relative_to(book.root) for file in book.root.rglob("*.md")}

    assert {chapter.file.relative_to(book.root) for chapter in book.chapters.values()} == pages


def test_every_link_between_chapters_leads_to_a_page_and_an_anchor() -> None:
    book = open_book()
    html = {f"/docs/{path}".rstrip("/"): book.rendered(chapter).html for path, chapter in book.chapters.items()}
    anchors = {url: set(re.findall(r'id="([^"]+)"', text)) for url, text in html.items()}
    lost = []
    for url, text in html.items():
        for link in re.findall(r'(?:href|src)="([/#][^"]*)"', text):
            target, _, fragment = link.partition("#")
            is_file = target.removeprefix("/docs/") in book.files
            if not is_file and fragment not in {"", *anchors.get(target or url, ())}:
                lost.append((url, link))
            if not is_file and target and target not in anchors:
                lost.append((url, link))

    assert lost == []


@pytest.mark.stack
async def test_every_chapter_is_served_on_both_listeners_and_loads_nothing_foreign(world: World) -> None:
    for client in (world.public, world.operations):
        for path in open_book().chapters:
            page = await client.get(f"/docs/{path}".rstrip("/"))

            assert page.status_code == 200, path
            assert "script" not in page.headers["Content-Security-Policy"]
            assert not re.search(r'<script|<iframe|(?:src|<link[^>]*href)="(?:https?:)?//', page.text)


@pytest.mark.stack
async def test_a_reader_searches_and_a_monitor_asks_for_the_head_alone(world: World) -> None:
    found = await world.public.get("/docs/search", params={"q": "<tombstone"})
    head = await world.public.head("/docs")

    assert "&lt;tombstone" in found.text
    assert (await world.public.get("/docs/search", params={"q": "tombstone"})).text.count('<li><a href="/docs/') > 3
    assert (head.status_code, head.text) == (200, "")


@pytest.mark.stack
@pytest.mark.parametrize("path", ["../README", "%2e%2e/saga.py", "README.md", "deep//"])
async def test_nothing_outside_of_the_book_is_served(world: World, path: str) -> None:
    assert (await world.public.get(f"/docs/{path}")).status_code == 404
