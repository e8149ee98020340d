"""A page in a real browser: Chromium without a window, and the server of its own origin that hears what came of it."""

import asyncio
import json
import shutil
import threading
from collections.abc import Mapping
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

ORIGIN = "http://shop.localhost"
"""Browsers trust it as they trust https, and it is another origin than the gateway's."""
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
PAGE_S_MAX = 100.0


async def result_of_page(page: str, root: Path, folders: Mapping[str, Path]) -> Any:
    """What a page of ``root`` sends to ``/result``, as JSON; ``folders`` are served beside it, by their first part.

    Raises TimeoutError.
    """
    results: SimpleQueue[Any] = SimpleQueue()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, results, root, folders))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        with TemporaryDirectory(prefix="atelier-browser-", ignore_cleanup_errors=True) as profile:
            async with asyncio.timeout(PAGE_S_MAX):
                return await _open(page, server.server_port, profile, results)
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()


async def _open(page: str, port: int, profile: str, results: SimpleQueue[Any]) -> Any:
    assert CHROMIUM is not None
    process = await asyncio.create_subprocess_exec(
        *(CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--no-first-run"),
        *(f"--user-data-dir={profile}", f"--host-resolver-rules=MAP shop.localhost:80 127.0.0.1:{port}"),
        f"{ORIGIN}/{page}",
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
