"""Markdown of the book as HTML: links lead to served pages, headings have anchors, wide things scroll by themselves."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape

_ARROW = re.compile(
    r"^\s*(?P<start>.+?)\s+--(?:\s*\"?(?P<label>[^\">]+?)\"?\s*--)?>\s+(?P<end>[^:]+?)(?::\s*(?P<after>.+))?$"
)
_NODE = re.compile(r"^\w+[\[({]+\"?(?P<text>[^\"\])}]+)\"?[\])}]+$")
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")


@dataclass(frozen=True, slots=True)
class Heading:
    """An entry of "on this page"."""

    anchor: str
    text: str


@dataclass(frozen=True, slots=True)
class Rendered:
    """A page: its HTML, its title and its second-level headings."""

    html: Markup
    title: str
    headings: list[Heading]


def render(text: str, file: Path, root: Path) -> Rendered:
    """``text`` of ``file`` as HTML. It is trusted: the book is part of the program."""
    tokens = _parser().parse(text)
    anchors = iter(anchors_of(text))
    title, headings = "", list[Heading]()
    for at, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", next(anchors))
            words = plain(tokens[at + 1].content)
            title = title or words
            if token.tag == "h2":
                headings.append(Heading(str(token.attrGet("id")), words))
        for inner in token.children or ():
            _relink(inner, file, root)
        if token.children:
            token.children = _without_paths_as_links(token.children)
    parser = _parser()
    html = parser.renderer.render(_scrolling(tokens), parser.options, {})
    return Rendered(Markup(html), title, headings)  # noqa: S704 - our own pages


def anchors_of(text: str) -> list[str]:
    """The fragment of each heading in order, as code hosts make it; a repeated one is numbered."""
    seen: dict[str, int] = {}
    anchors = []
    tokens = _parser().parse(text)
    for token, following in pairwise(tokens):
        if token.type == "heading_open":
            base = re.sub(r"[^\w\- ]", "", plain(following.content).lower()).replace(" ", "-")
            count = seen.get(base, 0)
            seen[base] = count + 1
            anchors.append(f"{base}-{count}" if count else base)
    return anchors


def plain(text: str) -> str:
    """Markdown as words: without links, code marks, emphasis, tables and comments."""
    text = re.sub(r"<!--.*?-->|</?\w[^>]*>", " ", text, flags=re.DOTALL)
    text = _LINK.sub(r"\1", text)
    text = re.sub(r"^[ |:-]+$|^```.*$", " ", text, flags=re.MULTILINE)
    return " ".join(re.sub(r"[`*|]", " ", text).split()).strip()


def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark").enable(["table", "strikethrough"])


def _relink(token: Token, file: Path, root: Path) -> None:
    """A link to a page of the book leads to where it is served; one out of the book names its path."""
    name = "href" if token.type == "link_open" else "src"
    target = str(token.attrGet(name) or "") if token.type in ("link_open", "image") else ""
    if not target or re.match(r"[a-z]+:|/|#", target):
        return
    path, _, fragment = target.partition("#")
    found = Path(os.path.normpath(file.parent / path))
    if not found.is_relative_to(root):
        token.attrs = {"path": os.path.relpath(found, root.parent)}
        return
    served = found.relative_to(root)
    if found.suffix == ".md":
        served = served.parent if served.name == "README.md" else served.with_suffix("")
    url = "/docs" if served == Path() else f"/docs/{served}"
    token.attrSet(name, f"{url}#{fragment}" if fragment else url)


def _without_paths_as_links(tokens: Sequence[Token]) -> list[Token]:
    """A file that only the repository has is named behind its words, since no address here leads to it."""
    kept: list[Token] = []
    path = ""
    for token in tokens:
        if token.type == "link_open" and "path" in token.attrs:
            path = str(token.attrs["path"])
        elif token.type == "link_close" and path:
            code = Token("html_inline", "", 0, content=f' <span class="path">(<code>{escape(path)}</code>)</span>')
            kept.append(code)
            path = ""
        else:
            kept.append(token)
    return kept


def _scrolling(tokens: Sequence[Token]) -> list[Token]:
    """Tables and code scroll inside a box that the keyboard reaches; a diagram becomes the list of its arrows."""
    kept: list[Token] = []
    count = 0
    for token, following in pairwise((*tokens, Token("end", "", 0))):
        if token.type == "table_open":
            count += 1
            box = f'<div class="table" role="region" aria-label="Table {count}" tabindex="0">\n'
            kept += [Token("html_block", "", 0, content=box), token]
        elif token.type == "paragraph_open" and _is_diagram(following):
            token.attrSet("tabindex", "0")
            kept.append(token)
        elif token.type == "table_close":
            kept += [token, Token("html_block", "", 0, content="</div>\n")]
        elif token.type == "fence" and token.info == "mermaid":
            kept.append(Token("html_block", "", 0, content=diagram(token.content)))
        elif token.type == "fence":
            code = f'<pre tabindex="0"><code>{escape(token.content)}</code></pre>\n'
            kept.append(Token("html_block", "", 0, content=code))
        else:
            kept.append(token)
    return kept


def _is_diagram(inline: Token) -> bool:
    """A paragraph that is one wide picture, which scrolls on a narrow screen."""
    (first, *others) = inline.children or [Token("text", "", 0)]
    return not others and first.type == "image" and str(first.attrGet("src")).endswith(".svg")


def diagram(text: str) -> str:
    """A Mermaid diagram as a table of its arrows: readable without a program, and by screen readers."""
    rows = []
    for line in text.splitlines():
        if (arrow := _ARROW.match(line)) is not None:
            label = arrow["label"] or arrow["after"] or ""
            cells = (_node(arrow["start"]), label, _node(arrow["end"]))
            rows.append(
                "<tr>" + "".join(f"<td>{escape(re.sub('<[^>]+>', ' ', cell))}</td>" for cell in cells) + "</tr>"
            )
    head = "<tr><th>from</th><th>on</th><th>to</th></tr>"
    return (
        f'<details class="diagram"><summary>The diagram as a table of {len(rows)} arrows</summary>'
        f'<div class="table" role="region" aria-label="Arrows" tabindex="0"><table><thead>{head}</thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></details>\n"
    )


def _node(text: str) -> str:
    """The label of a node, where it has one; the start and end mark as words."""
    found = _NODE.match(text)
    return {"[*]": "(start or end)"}.get(text, found["text"] if found else text)
