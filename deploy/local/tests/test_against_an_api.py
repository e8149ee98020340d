"""Whole commands against an API of our own making, which can be told to lie.

The demo proves what it shows: it passes where every promise is kept and ends at the first broken one.
"""

import hashlib
import io
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner, Result

from atelier_local import client, demo_story
from atelier_local.access import Access
from atelier_local.cli import app
from atelier_local.client import AtelierError
from atelier_local.journey import Broken
from atelier_local.pictures import Picture, picture

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


@pytest.fixture
def api() -> Iterator[Api]:
    told = Api()

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"] or 0))
            body = json.loads(raw) if raw and self.command == "POST" else None
            status, answer = told.answer(self.command, self.path, self.headers, body)
            content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield told
    server.shutdown()
    server.server_close()


async def played(api: Api, folder: Path) -> str:
    photo: Picture = picture("photo.png", api.delivered)
    console = Console(width=80, color_system=None, file=io.StringIO(), soft_wrap=True)
    to = Access(url=api.url, operations_url=api.url, admin_token="token", amqp_url="", traces_url=None)
    await demo_story.perform(to, (photo, photo), folder, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def saved_in(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir()]


async def test_the_demo_shows_the_states_the_balances_the_picture_and_the_refusal(api: Api, tmp_path: Path) -> None:
    text = await played(api, tmp_path)

    assert "10 granted = 10 available + 0 held + 0 captured" in text
    assert "10 granted = 9 available + 0 held + 1 captured" in text
    assert text.index("queued") < text.index("completed") < text.index("failed")
    assert "402 insufficient_credits" in text
    assert saved_in(tmp_path) == [api.delivered]


@pytest.mark.parametrize(
    ("lie", "complaint"),
    [
        ("charged twice", "The try-on should have cost 1 credit, but the balance is 10 granted = 8 available"),
        ("charged for a failure", "The failed try-on should have cost nothing, but the balance is"),
        ("another picture", "its SHA-256 differs from the one in the record"),
        ("served for nothing", "A store without credits was served"),
    ],
)
async def test_a_broken_promise_ends_the_demo_and_names_its_generation(
    api: Api, tmp_path: Path, lie: str, complaint: str
) -> None:
    api.lie = lie

    with pytest.raises(Broken, match=complaint) as broken:
        await played(api, tmp_path)

    assert broken.value.generation in api.ends


async def test_books_that_do_not_balance_end_the_demo(api: Api, tmp_path: Path) -> None:
    api.lie = "books"

    with pytest.raises(AtelierError, match="The ledger does not balance"):
        await played(api, tmp_path)


def commanded(api: Api, *arguments: str) -> Result:
    environment = {
        "ATELIER_URL": api.url,
        "ATELIER_OPERATIONS_URL": api.url,
        "ATELIER_ADMIN_TOKEN": "token",
        "ATELIER_AMQP_URL": "amqp://127.0.0.1:1/",
    }
    return CliRunner().invoke(app, list(arguments), env={**environment, "PROFILE": None, "COLUMNS": "80"})


def test_ledger_verify_exits_0_only_when_the_books_are_in_order(api: Api) -> None:
    honest = commanded(api, "admin", "ledger", "verify")
    api.lie = "books"
    broken = commanded(api, "admin", "ledger", "verify")

    assert (honest.exit_code, broken.exit_code) == (0, 1)
    assert "owner a: held 1, open holds 0" in broken.output


def test_the_full_proof_shows_its_progress_and_exits_0_only_when_the_books_are_in_order(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PROOF_POLL_S", 0.0)
    honest = commanded(api, "admin", "ledger", "verify", "--full")
    api.lie = "books"
    broken = commanded(api, "admin", "ledger", "verify", "--full")

    assert (honest.exit_code, broken.exit_code) == (0, 1)
    assert "7 of 12 rows checked" in honest.output
    assert "owner a: held 1, open holds 0" in broken.output


def test_a_store_and_its_credits_are_made_by_two_commands(api: Api) -> None:
    made = commanded(api, "admin", "stores", "create", "Boutique")
    granted = commanded(api, "admin", "grant", "workspace", UNKNOWN, "5", "--reason", "a start")

    assert "store0" in made.output
    assert (granted.exit_code, granted.stderr) == (1, "Could not grant the credits: no such account (404 not_found).\n")


def test_a_grant_that_is_typed_twice_is_given_once_and_says_so(api: Api) -> None:
    api.accounts[UNKNOWN] = dict(ZEROS)
    typed = ("admin", "grant", "store", UNKNOWN, "5", "--reason", "a start")

    first, second = commanded(api, *typed), commanded(api, *typed)
    other = commanded(api, *typed[:-1], "for December")
    again = commanded(api, *typed, "--again")

    assert [done.exit_code for done in (first, second, other, again)] == [0, 0, 0, 0]
    assert "5 granted" in first.output and "5 granted" in second.output
    assert "given before" in second.output and "given before" not in first.output
    assert "10 granted" in other.output and "15 granted" in again.output


def test_generate_saves_the_picture_and_says_what_it_cost(api: Api, tmp_path: Path) -> None:
    (tmp_path / "me.png").write_bytes(api.delivered)
    photo, out = str(tmp_path / "me.png"), tmp_path / "new" / "out.png"

    done = commanded(api, "generate", "--person", photo, "--garment", photo, "--out", str(out))

    assert done.exit_code == 0, done.output
    assert out.read_bytes() == api.delivered
    assert "charged   1 credit" in done.output


def test_a_broken_promise_names_the_command_that_tells_more(api: Api, tmp_path: Path) -> None:
    api.lie = "another picture"
    (tmp_path / "me.png").write_bytes(api.delivered)
    photo = str(tmp_path / "me.png")

    failed = commanded(api, "generate", "--person", photo, "--garment", photo, "--out", str(tmp_path / "out.png"))

    assert failed.exit_code == 1
    assert not (tmp_path / "out.png").exists()
    assert failed.stderr.splitlines()[1].endswith(" admin explain generation0")


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("generate", "--person", "no.jpg", "--garment", "no.jpg"), "There is no file no.jpg."),
        (("generate", "--person", "a", "--garment", "b", "--out", "c.jpg"), "c.jpg would hold a PNG; name it so."),
        (("demo", "no.jpg"), "There is no file no.jpg."),
        (("admin", "dead-letters", "list", "nowhere"), "There is no queue nowhere; there are session.saga"),
        (("admin", "dead-letters", "list", "session.saga"), "The broker did not do it: "),
        (("admin", "balance", "store", UNKNOWN, "--profile", "never-made"), "The stack never-made is not up;"),
        (("admin", "explain", UNKNOWN), "Could not explain the generation: "),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_exit_code_1(
    api: Api, arguments: tuple[str, ...], complaint: str
) -> None:
    failed = commanded(api, *arguments)

    assert failed.exit_code == 1
    assert failed.stderr.startswith(complaint)
    assert failed.stderr.count("\n") == 1
