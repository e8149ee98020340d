"""A fake API that can be set to break one promise."""

import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image

UNKNOWN = "00000000-0000-7000-8000-000000000000"
ZEROS = {"available": 0, "held": 0, "captured": 0, "granted": 0, "expired": 0}
Answer = tuple[int, Any]


def _png() -> bytes:
    out = io.BytesIO()
    Image.effect_noise((256, 256), 60).convert("RGB").save(out, "PNG")
    return out.getvalue()


class Api:
    """Of the API what the demo uses; ``lie`` names the one promise it breaks."""

    def __init__(self) -> None:
        self.lie = ""
        self.proof_steps = 0
        self.url = ""
        self.grants: dict[str, int] = {}
        """Credits by Idempotency-Key."""
        self.accounts: dict[str, dict[str, int]] = {}
        self.ends: dict[str, str] = {}
        self.delivered = _png()

    def answer(self, method: str, path: str, headers: Any, body: Any) -> Answer:
        for (wanted, prefix), act in self._routes().items():
            if method == wanted and path.startswith(prefix):
                return act(path.removeprefix(prefix), headers, body)
        return 404, {"code": "not_found", "detail": f"{method} {path}"}

    def _routes(self) -> dict[tuple[str, str], Callable[[str, Any, Any], Answer]]:
        return {
            ("POST", "/v1/admin/stores"): self._store,
            ("POST", "/v1/admin/credits/grants"): self._grant,
            ("GET", "/v1/admin/credits/store/"): lambda id, *_: (200, self.accounts[id]),
            ("GET", "/v1/admin/ledger/verify"): self._verify,
            ("POST", "/v1/admin/ledger/proofs"): lambda *_: (202, self._proof("running", 0)),
            ("GET", "/v1/admin/ledger/proofs/"): self._follow_proof,
            ("POST", "/api/v1/uploads"): self._upload,
            ("PUT", "/objects/"): lambda *_: (200, None),
            ("POST", "/api/v1/generation/create"): self._create,
            ("GET", "/api/v1/generation/"): self._try_on,
            ("GET", "/v1/generations/"): self._generation,
            ("GET", "/objects/"): lambda *_: (200, self.delivered),
        }

    def _store(self, _: str, __: Any, body: Any) -> Answer:
        id = f"store{len(self.accounts)}"
        self.accounts[id] = dict(ZEROS)
        return 201, {"id": id, "name": body["name"], "api_key": id}

    def _grant(self, _: str, headers: Any, body: Any) -> Answer:
        if (account := self.accounts.get(body["owner"]["id"])) is None:
            return 404, {"code": "not_found", "detail": "no such account"}
        key = headers["Idempotency-Key"]
        given_before = key in self.grants
        if key and not given_before:
            self.grants[key] = body["credits"]
        if not given_before:
            account["granted"] += body["credits"]
            account["available"] += body["credits"]
        return 201, {"available": account["available"], "given_before": given_before}

    def _verify(self, *_: Any) -> Answer:
        violations = ["owner a: held 1, open holds 0"] if self.lie == "books" else []
        return 200, {"ok": not violations, "accounts": 2, "entries": 5, "violations": violations}

    def _proof(self, state: str, checked: int) -> dict[str, Any]:
        violations = ["owner a: held 1, open holds 0"] if state == "failed" else []
        size = {"checked": checked, "total": 12, "accounts": 2, "entries": 5}
        return {"id": "proof0", "state": state, **size, "violations": violations}

    def _follow_proof(self, *_: Any) -> Answer:
        self.proof_steps = self.proof_steps + 1
        if self.proof_steps % 2:
            return 200, self._proof("running", 7)
        return 200, self._proof("failed" if self.lie == "books" else "passed", 12)

    def _upload(self, *_: Any) -> Answer:
        url = f"{self.url}/objects/one"
        upload = {"key": "stores/1/one", "upload_url": url, "method": "PUT", "headers": {}, "url": url}
        return 201, {"data": upload, "error": None}

    def _create(self, _: str, headers: Any, __: Any) -> Answer:
        account = self.accounts[headers["Authorization"].removeprefix("Bearer ")]
        if not account["available"] and self.lie != "served for nothing":
            error = {"code": "INSUFFICIENT_CREDITS", "message": "This costs 1 credit, 0 are available."}
            return 402, {"data": None, "error": error}
        fails = headers["X-Atelier-Simulate"] is not None
        id = f"generation{len(self.ends)}"
        self.ends[id] = "failed" if fails else "completed"
        if not fails or self.lie == "charged for a failure":
            account["available"] -= 1
            account["captured"] += 1
        if self.lie == "charged twice":
            account["available"] -= 1
            account["captured"] += 1
        return 201, {"data": {"session_id": id, "status": "queued"}, "error": None}

    def _try_on(self, id: str, *_: Any) -> Answer:
        return 200, {"data": {"session_id": id, "status": self.ends[id]}, "error": None}

    def _generation(self, path: str, *_: Any) -> Answer:
        id, _slash, receipt = path.partition("/")
        credits = {"reserved": 1, "captured": 1, "refunded": 0}
        if receipt:
            return 200, {"credits": credits, "entries": [], "price_book": "v1"}
        promised = b"another" if self.lie == "another picture" else self.delivered
        output = {
            "url": f"{self.url}/objects/made",
            "key": "stores/1/made",
            "content_type": "image/png",
            "checksum": f"sha256:{hashlib.sha256(promised).hexdigest()}",
        }
        made = {"id": id, "kind": "try_on", "status": "succeeded", "progress": 100, "credits": credits}
        return 200, {**made, "outputs": [output], "created_at": "2025-11-21T03:00:00Z"}


@contextmanager
def run_api() -> Iterator[Api]:
    """One that answers, until the end of the block."""
    known = Api()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"] or 0))
            body = json.loads(raw) if raw and self.command == "POST" else None
            status, answer = known.answer(self.command, self.path, self.headers, body)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield known
    server.shutdown()
    server.server_close()
