"""A team with a worker of its own: the one that the docs show, really run, and made to misbehave."""

import asyncio
import base64
import importlib.util
import io
import json
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from atelier_contracts import Owner, RenderSpec
from atelier_imaging.pool import ImageWorkers
from atelier_render.providers.protocol import Input, ProviderJob
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser
from atelier_render.providers.worker_http.configuration import WorkerConfiguration
from atelier_render.providers.worker_http.provider import HttpWorker

SECRET = "whsec_" + base64.b64encode(b"a secret of the team's own, shared").decode()
ANSWER_BYTES_MAX = 1024 * 1024
Fault = Callable[[Any], None]
Make = Callable[[dict[str, Any]], dict[str, Any]]


def _reference() -> Any:
    path = Path(__file__).parents[4] / "docs/providers/http_worker.py"
    found = importlib.util.spec_from_file_location("http_worker", path)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


REFERENCE = _reference()
REFERENCE.SECRET = base64.b64decode(SECRET.removeprefix("whsec_"))
PNG = base64.b64decode(REFERENCE.make({"seed": 1, "n": 1})["outputs"][0]["data"])


@dataclass
class Team:
    """The worker of the docs, on a port of its own."""

    images: ImageWorkers
    make: Make = REFERENCE.make
    port: int = 0
    server: Any = None
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Method and key of every request."""
    asked: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of the jobs made."""
    faults: deque[tuple[str, Fault]] = field(default_factory=deque)
    ours: list[HttpWorker] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    """Set when no test waits for an answer any more."""

    def start(self) -> None:
        """Starts, or starts again on the same port having forgotten everything."""
        team = self

        class Watched(REFERENCE.Worker):  # type: ignore[name-defined, misc]
            """Records each request and applies the next planned fault."""

            def parse_request(self) -> bool:
                if not super().parse_request():
                    return False
                team.seen.append((self.command, self.headers["Idempotency-Key"] or self.path.removeprefix("/jobs/")))
                if not team.faults or team.faults[0][0] != self.command:
                    return True
                team.faults.popleft()[1](self)
                self.wfile.flush()
                return False

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        self.server = REFERENCE.Jobs(self.port, self._make_outputs, Watched)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        """The port answers no more."""
        self.server.shutdown()
        self.server.server_close()

    def next(self, method: str, *faults: Fault) -> None:
        """Plans faults for the next requests of this method."""
        self.faults.extend((method, fault) for fault in faults)

    def count(self, method: str) -> int:
        """Requests of a method so far."""
        return sum(path == method for path, _ in self.seen)

    def connect(self, *, callback_url: str | None = None, **settings: Any) -> HttpWorker:
        """A provider of this worker with short timeouts."""
        offers = [
            {"kind": "image", "models": ["ours-1"], "sizes": ["64x64", "128x64"]},
            {"kind": "narration"},
        ]
        given = {"name": "ours", "url": f"http://127.0.0.1:{self.port}", "secrets": [SECRET], "offers": offers}
        patience = {"poll_s": 0.05, "answer_s": 5.0, "answer_bytes_max": ANSWER_BYTES_MAX}
        finishing = ImageNormaliser(self.images)
        worker = HttpWorker(WorkerConfiguration(**given | patience | settings), finishing, callback_url=callback_url)
        self.ours.append(worker)
        return worker

    async def leave(self) -> None:
        """Closes our side, which may have been closed before."""
        for worker in self.ours:
            await worker.close()

    def fail_next(self, outcome: str) -> None:
        """Plans the outcome of the next request, in the words of the providers' suite."""
        broken = [{"data": base64.b64encode(PNG[:-20] + bytes(20)).decode()}]
        two = REFERENCE.make({"seed": 1, "n": 2})["outputs"]
        faults: dict[str, Fault] = {
            "refused": answer_with(200, {"status": "refused", "reason": "not this"}),
            "rate_limited": answer_with(429, Retry_After="7"),
            "server_error": answer_with(500),
            "lost_response": work_and_lose_answer,
            "late_success": self._too_late,
            "corrupt": answer_with(200, {"status": "succeeded", "outputs": broken}),
            "oversized": answer_with(200, b" " * (ANSWER_BYTES_MAX + 1)),
            "partial": answer_with(200, {"status": "partial", "outputs": two}),
        }
        self.next("POST", faults[outcome])

    def _too_late(self, handler: Any) -> None:
        handler.body()
        self.over.wait(0.6)  # longer than the impatient wait; and then there is no answer either
        handler.close_connection = True

    def _make_outputs(self, job: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(job)
        return self.make(job)


def job(*data: Input, tell: Callable[[int], None] = lambda _: None, **spec: Any) -> ProviderJob:
    owner, generation_id = Owner(kind="store", id=uuid4()), uuid4()
    asked = RenderSpec(**{"kind": "image", "prompt": "a red chair", **spec})
    return ProviderJob(str(generation_id), generation_id, owner, asked, data, tell)


async def at_work(team: Team) -> None:
    """Waits until the worker has begun a job."""
    while not team.asked:  # noqa: ASYNC110 - the worker is in a thread
        await asyncio.sleep(0.01)


@contextmanager
def run_team(images: ImageWorkers) -> Iterator[Team]:
    """A team at work."""
    team = Team(images)
    team.start()
    try:
        yield team
    finally:
        team.over.set()
        team.stop()


def answer_with(status: int, content: Any = None, **headers: str) -> Fault:
    """Another answer than the worker's own."""
    data = content if isinstance(content, bytes) else json.dumps(content).encode()

    def fault(handler: Any) -> None:
        if handler.command == "POST":
            handler.body()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    return fault


def work_and_lose_answer(handler: Any) -> None:
    """The worker does the job, and its answer never arrives."""
    real, handler.wfile = handler.wfile, io.BytesIO()
    getattr(handler, f"do_{handler.command}")()
    handler.wfile, handler.close_connection = real, True


def lose_request(handler: Any) -> None:
    """The connection breaks before the worker has done anything."""
    handler.close_connection = True
