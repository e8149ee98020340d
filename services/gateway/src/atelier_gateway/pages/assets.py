"""The files of a page: styles and scripts beside it, under an address that holds a hash of all of them.

So they are cached for a year and never mixed with those of another version; the page names the hash of each.
"""

import base64
import hashlib
from collections.abc import Iterator
from pathlib import Path

from starlette.responses import Response

from atelier_gateway.web.problems import not_found

MEDIA_TYPES = {".css": "text/css", ".js": "text/javascript"}
CACHE_S = 31_536_000
KEPT = {"Cache-Control": f"public, max-age={CACHE_S}, immutable", "X-Content-Type-Options": "nosniff"}


class Assets:
    """The files of one folder, served under ``root``."""

    def __init__(self, folder: Path, root: str) -> None:
        self._files = {file.name: file.read_bytes() for file in sorted(folder.iterdir()) if file.suffix in MEDIA_TYPES}
        self._root = root
        whole = hashlib.sha256()
        for name, content in self._files.items():
            whole.update(f"{name}:{len(content)}:".encode() + content)
        self._version = whole.hexdigest()[:16]

    def __iter__(self) -> Iterator[str]:
        """Their names, in order."""
        return iter(self._files)

    def link(self, name: str) -> tuple[str, str]:
        """Address and hash of a file, as a page names them."""
        return f"{self._root}/{self._version}/{name}", integrity(self._files[name])

    def respond(self, version: str, name: str) -> Response:
        """The file. Raises Problem 404 for another version's too."""
        if version != self._version or name not in self._files:
            raise not_found("file")
        return Response(self._files[name], headers=KEPT, media_type=MEDIA_TYPES[Path(name).suffix])


def integrity(content: bytes) -> str:
    """The hash of a file as browsers compare it (W3C Subresource Integrity)."""
    return f"sha384-{base64.b64encode(hashlib.sha384(content).digest()).decode()}"
