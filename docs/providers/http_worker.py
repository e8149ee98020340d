"""A whole worker in the standard library alone: copy it, and put your model where ``make`` is.

``WORKER_SECRET=whsec_... python http_worker.py 9000``
"""

import base64
import hashlib
import hmac
import json
import os
import struct
import sys
import threading
import time
import zlib
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

SECRET = base64.b64decode(os.environ.get("WORKER_SECRET", "").removeprefix("whsec_"))
BODY_BYTES_MAX = 100 * 1024 * 1024


def make(job: dict[str, Any]) -> dict[str, Any]:
    """The model. This one paints a PNG in a colour by its seed, as many as are wanted."""
    width, height = map(int, (job.get("size") or "64x64").split("x"))
    pictures = []
    for seed in range(job["seed"], job["seed"] + job["n"]):
        row = b"\x00" + hashlib.sha256(str(seed).encode()).digest()[:3] * width
        head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
        parts = ((b"IHDR", head), (b"IDAT", zlib.compress(row * height)), (b"IEND", b""))
        body = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in parts)
        pictures.append(b"\x89PNG\r\n\x1a\n" + body)
    return {"status": "succeeded", "outputs": [{"data": base64.b64encode(p).decode()} for p in pictures]}


def signature(id_: str, at: str, body: bytes) -> str:
    """Standard Webhooks: HMAC-SHA256 over id, time and body."""
    return "v1," + base64.b64encode(hmac.digest(SECRET, f"{id_}.{at}.".encode() + body, "sha256")).decode()


class Worker(BaseHTTPRequestHandler):
    """Takes jobs, remembers them by key, answers with their state."""

    server: "Jobs"

    def do_POST(self) -> None:
        body, key = self.body(), self.headers["Idempotency-Key"]
        if self.signed(f"submit_{key}", body):
            new = {"status": "running", "progress": 0}
            if self.server.jobs.setdefault(key, new) is new:  # else it came twice, and is made once
                threading.Thread(target=self.server.work, args=(key, json.loads(body)), daemon=True).start()
            self.answer(202, self.server.jobs.get(key, new))

    def do_GET(self) -> None:
        key = self.path.removeprefix("/jobs/")
        if self.signed(f"poll_{key}", b""):
            known = self.server.jobs.get(key)
            self.answer(200 if known else 404, known or {"reason": "no such job"})

    def do_DELETE(self) -> None:
        key = self.path.removeprefix("/jobs/")
        if self.signed(f"cancel_{key}", b""):
            self.server.jobs.pop(key, None)
            self.answer(204, None)

    def signed(self, id_: str, body: bytes) -> bool:
        """Whether render sent this, just now, and for this purpose: the signed id names the purpose."""
        at = self.headers.get("webhook-timestamp", "")
        said = self.headers.get("webhook-signature", "").split()
        fresh = at.isdigit() and abs(time.time() - int(at)) < 300
        if fresh and any(hmac.compare_digest(candidate, signature(id_, at, body)) for candidate in said):
            return True
        self.answer(401, {"reason": "the signature is not right"})
        return False

    def body(self) -> bytes:
        return self.rfile.read(min(int(self.headers["Content-Length"]), BODY_BYTES_MAX))

    def answer(self, status: int, content: dict[str, Any] | None) -> None:
        data = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Jobs(ThreadingHTTPServer):
    """The worker's memory; one that survives a restart would be kept in a file or a database."""

    def __init__(
        self, port: int, make: Callable[[dict[str, Any]], dict[str, Any]], handler: type[Worker] = Worker
    ) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.make = make
        self.jobs: dict[str, dict[str, Any]] = {}

    def work(self, key: str, job: dict[str, Any]) -> None:
        try:
            answer = self.make(job)
        except Exception as error:  # noqa: BLE001 - whatever a model does, render is told
            answer = {"status": "failed", "reason": f"the model broke: {error}"}
        if key in self.jobs:  # else it was cancelled
            self.jobs[key] = answer
            if url := job.get("callback_url"):
                self.call(url, json.dumps({"key": key}).encode())

    def call(self, url: str, body: bytes) -> None:
        """A hint that there is news. Nothing depends on it, so nothing is done where it does not arrive."""
        id_, at = f"news_{uuid4()}", str(int(time.time()))
        headers = {"webhook-id": id_, "webhook-timestamp": at, "webhook-signature": signature(id_, at, body)}
        with suppress(OSError):
            urlopen(Request(url, body, headers), timeout=5).close()  # noqa: S310 - the URL is render's, and signed


if __name__ == "__main__":
    Jobs(int(sys.argv[1]), make).serve_forever()
