"""A statement as a page for a person: rendered line by line as the lines arrive, with nothing but itself to load."""

import base64
import json
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape

HERE = Path(__file__).parent
_templates = Environment(
    loader=FileSystemLoader(HERE), autoescape=select_autoescape(), trim_blocks=True, lstrip_blocks=True
)
_style = (HERE / "statement.css").read_text()
_style_hash = base64.b64encode(sha256(_style.encode()).digest()).decode()
HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_style_hash}'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'"
}


async def render(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The page, from the bytes of the lines."""
    page, rest = StatementPage(), b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield "".join(page.render_line(json.loads(line)) for line in lines).encode()


class StatementPage:
    """The parts of one page, in the order of the lines."""

    def __init__(self) -> None:
        self._parts: Any = _templates.get_template("statement.html").module
        self._available = 0
        self._has_usage = False

    def render_line(self, line: dict[str, Any]) -> str:
        """What a line adds to the page."""
        if "receipt" in line:
            return str(self._parts.receipt(line["receipt"]))
        if "statement" in line:
            begin = "" if self._has_usage else self._parts.begin_usage()
            return f"{begin}{self._parts.end(line['statement'], line['signature'])}"
        match line["type"]:
            case "atelier.statement.v1":
                self._available = line["opening"]["available"]
                return str(self._parts.begin(line, _style))
            case "atelier.posting.v1":
                moved = (line["credit"] == "available") - (line["debit"] == "available")
                self._available += moved * line["credits"]
                return str(self._parts.posting(line, self._available))
            case "atelier.usage.v1":
                begin = "" if self._has_usage else self._parts.begin_usage()
                self._has_usage = True
                return f"{begin}{self._parts.usage(line)}"
        return ""
