"""A page in a real browser: Chromium without a window, and the server of its own origin that hears what came of it."""

import asyncio
import json
import threading
from collections.abc import Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

from whole_system.chromium import find_chromium

HOST = "shop.localhost"
ORIGIN = f"http://{HOST}"
"""Browsers trust it as they trust https, and it is another origin than the gateway's."""
CHROMIUM = find_chromium()
MISSING = "no Chromium on this machine: deploy/local/bootstrap.sh --tests installs it"
PAGE_S_MAX = 100.0


async def result_of_page(page: str, root: Path, folders: Mapping[str, Path], *, host: str = HOST) -> Any:
    """What a page of ``root`` sends to ``/result``, as JSON; ``folders`` are served beside it, by their first part, and
    all of it by a ``host`` below ``.localhost``.

    Raises TimeoutError.
    """
    results: SimpleQueue[Any] = SimpleQueue()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, results, root, folders))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with TemporaryDirectory(prefix="atelier-browser-", ignore_cleanup_errors=True) as profile:
            async with asyncio.timeout(PAGE_S_MAX):
                return await _open(f"{host}/{page}", server.server_port, profile, results)
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()


async def _open(address: str, port: int, profile: str, results: SimpleQueue[Any]) -> Any:
    if CHROMIUM is None:
        raise FileNotFoundError(MISSING)
    process = await asyncio.create_subprocess_exec(
        *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--no-first-run"),
        *(f"--user-data-dir={profile}", f"--host-resolver-rules=MAP *.localhost:80 127.0.0.1:{port}"),
        f"http://{address}",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        while results.empty() and process.returncode is None:  # noqa: ASYNC110 - it comes from another process
            await asyncio.sleep(0.05)
        assert not results.empty(), f"the browser ended with {process.returncode} before the page had a result"
        return results.get()
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


class _Handler(SimpleHTTPRequestHandler):
    """Files of a few folders, and one route that takes a result."""

    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}

    def __init__(
        self, results: SimpleQueue[Any], root: Path, folders: Mapping[str, Path], *arguments: Any, **options: Any
    ) -> None:
        self._results, self._folders = results, folders
        super().__init__(*arguments, directory=str(root), **options)

    def translate_path(self, path: str) -> str:
        first, _, rest = path.partition("?")[0].lstrip("/").partition("/")
        return str(self._folders[first] / rest) if first in self._folders else super().translate_path(path)

    def do_POST(self) -> None:
        self._results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Nothing."""
