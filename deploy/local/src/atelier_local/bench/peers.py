"""The peers as contenders: installed beside the workspace, started on the servers of this build's stack."""

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import aiohttp
import asyncpg

from atelier_local.bench.contenders import ACCOUNTS, Contender, Sample, quantiles_ms
from atelier_local.bench.peers_install import PROGRAMS, Installation
from atelier_local.errors import StackError

READY_S_MAX = 60.0
STOP_S_MAX = 15.0
WARM_UP = 60
CELERY_PROCESSES = 4
DBOS_SHARE = 0.3
"""It is the slowest by far: a third of the generations is enough for its median."""

_TABLES = """
CREATE TABLE accounts (id int PRIMARY KEY, available bigint CHECK (available >= 0), held bigint CHECK (held >= 0),
  captured bigint);
CREATE TABLE holds (generation uuid PRIMARY KEY, account int, credits bigint, state text);
CREATE TABLE postings (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, generation uuid, account int, debit text,
  credit text, credits bigint, UNIQUE (generation, debit));
CREATE TABLE jobs (generation uuid PRIMARY KEY, state text, result jsonb);
INSERT INTO accounts SELECT n, 100000000, 0, 0 FROM generate_series(0, {last}) n;
"""
_BOOKS = "SELECT sum(captured)::bigint AS captured, sum(held)::bigint AS held FROM accounts"


@dataclass(slots=True)
class PeerBooks:
    """What the peers have captured, by their own count and by the database's."""

    url: str
    expected: int = 0

    async def verify(self) -> int:
        """The generations captured; raises StackError where the books differ."""
        connection = await asyncpg.connect(self.url)
        row = await connection.fetchrow(_BOOKS)
        await connection.close()
        assert row is not None
        if (row["captured"], row["held"]) != (self.expected, 0):
            raise StackError(f"the peers captured {self.expected} generations, but their books say {dict(row)}")
        return self.expected


@dataclass(slots=True)
class HttpPeer:
    """A peer that answers a POST once the credit is captured."""

    name: str
    url: str
    books: PeerBooks
    share: float = 1.0

    async def run(self, in_flight: int, generations: int) -> Sample:
        count = max(2 * in_flight, round(generations * self.share))
        numbers, journeys = iter(range(count)), list[float]()

        async def work(session: aiohttp.ClientSession) -> None:
            for number in numbers:
                id = str(uuid4())
                request, headers = {"id": id, "account": number % ACCOUNTS}, {"Idempotency-Key": id}
                began = time.perf_counter()
                async with session.post(self.url, json=request, headers=headers) as answer:
                    text = await answer.text()
                    if answer.status != 200 or "captured" not in text:
                        raise StackError(f"{self.name} answered {answer.status}: {text[:300]}")
                journeys.append(time.perf_counter() - began)

        connector, timeout = aiohttp.TCPConnector(limit=in_flight), aiohttp.ClientTimeout(total=120)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            began = time.perf_counter()
            await asyncio.gather(*(work(session) for _ in range(in_flight)))
            took = time.perf_counter() - began
        self.books.expected += count
        return Sample(self.name, in_flight, 0, count / took, quantiles_ms(journeys))


@dataclass(slots=True)
class CeleryPeer:
    """Celery; its client is a process of its own, in its own environment."""

    python: Path
    env: dict[str, str]
    books: PeerBooks
    name: str = "Celery"

    async def run(self, in_flight: int, generations: int) -> Sample:
        child = await asyncio.create_subprocess_exec(
            self.python, "celery_load.py", str(in_flight), str(generations),
            cwd=PROGRAMS, env=self.env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, error = await child.communicate()
        if child.returncode:
            raise StackError(f"Celery's load failed: {error.decode().strip()[-300:]}")
        result = json.loads(said)
        self.books.expected += generations
        return Sample(self.name, in_flight, 0, generations / result["took_s"], quantiles_ms(result["journeys_s"]))


@dataclass(slots=True)
class _Children:
    """The peers' processes."""

    logs: Path
    env: dict[str, str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, name: str, command: Sequence[str | Path], **more: str) -> None:
        with (self.logs / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                list(map(str, command)), cwd=PROGRAMS, env=self.env | more,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        self.running.append(child)

    def stop(self) -> None:
        for child in self.running:
            child.send_signal(signal.SIGINT)
        for child in self.running:
            try:
                child.wait(STOP_S_MAX)
            except subprocess.TimeoutExpired:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()


@asynccontextmanager
async def open_peers(
    installed: Installation, postgres_url: str, amqp_url: str
) -> AsyncIterator[tuple[list[Contender], PeerBooks]]:
    """The peers that are installed, warm, and their books; their database is removed at the end."""
    root = await asyncpg.connect(postgres_url)
    await root.execute("DROP DATABASE IF EXISTS peers WITH (FORCE)")
    await root.execute("CREATE DATABASE peers")
    books = PeerBooks(f"{postgres_url.rpartition('/')[0]}/peers")
    env = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    env |= {"PEERS_DATABASE_URL": books.url, "PEERS_AMQP_URL": amqp_url, "PYTHONDONTWRITEBYTECODE": "1"}
    children = _Children(installed.home / "logs", env)
    children.logs.mkdir(parents=True, exist_ok=True)
    try:
        tables = await asyncpg.connect(books.url)
        await tables.execute(_TABLES.format(last=ACCOUNTS - 1))
        await tables.close()
        yield await _start(installed, children, books), books
    finally:
        children.stop()
        await root.execute("DROP DATABASE peers WITH (FORCE)")
        await root.close()


async def _start(installed: Installation, children: _Children, books: PeerBooks) -> list[Contender]:
    started: list[Contender] = []
    if installed.has("Restate"):
        started.append(await _start_restate(installed, children, books))
    if installed.has("DBOS"):
        port = _free_port()
        children.start("dbos", [installed.python, "dbos_app.py", str(port)])
        await _wait_for(f"http://127.0.0.1:{port}/")
        started.append(HttpPeer("DBOS", f"http://127.0.0.1:{port}/generation/run", books, DBOS_SHARE))
    if installed.has("Celery"):
        words = ["-A", "celery_app", "worker", "-l", "WARNING", "-c", str(CELERY_PROCESSES)]
        words += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        children.start("celery", [installed.python, "-m", "celery", *words])
        started.append(CeleryPeer(installed.python, children.env, books))
    for peer in started:
        await peer.run(8, WARM_UP)
    return started


async def _start_restate(installed: Installation, children: _Children, books: PeerBooks) -> HttpPeer:
    ingress, admin, node, app = (_free_port() for _ in range(4))
    data = installed.home / "restate-data"
    shutil.rmtree(data, ignore_errors=True)
    children.start(
        "restate",
        [installed.restate, "--no-logo", "--listen-mode", "tcp", "--node-name", "peer", "--base-dir", data,
         "--bind-ip", "127.0.0.1", "--bind-port", str(node)],
        RESTATE_INGRESS__BIND_ADDRESS=f"127.0.0.1:{ingress}", RESTATE_ADMIN__BIND_ADDRESS=f"127.0.0.1:{admin}",
        RESTATE_DISABLE_TELEMETRY="true", DO_NOT_TRACK="1", RESTATE_LOG_FILTER="warn",
    )  # fmt: skip
    serve = ["-m", "hypercorn", "-k", "uvloop", "-w", "1", "-b", f"127.0.0.1:{app}", "restate_app:app"]
    children.start("restate-app", [installed.python, *serve])
    await _wait_for(f"http://127.0.0.1:{admin}/health")
    await _wait_for(f"http://127.0.0.1:{app}/")
    deployment = {"uri": f"http://127.0.0.1:{app}", "force": True}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"http://127.0.0.1:{admin}/deployments", json=deployment) as answer,
    ):
        if answer.status >= 300:
            raise StackError(f"Restate refused the deployment: {(await answer.text())[:300]}")
    return HttpPeer("Restate + Postgres", f"http://127.0.0.1:{ingress}/generation/run", books)


async def _wait_for(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        for _ in range(int(READY_S_MAX * 4)):
            try:
                async with session.get(url):
                    return
            except aiohttp.ClientError:
                await asyncio.sleep(0.25)
    raise StackError(f"a peer does not answer at {url} within {READY_S_MAX:.0f} s; see .run/bench-peers/logs")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
