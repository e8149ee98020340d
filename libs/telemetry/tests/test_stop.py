"""SIGTERM ends a process in any phase: while it starts, while it serves, and where it cannot end by itself."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager

import httpx

PATIENCE_S = 30.0
PROGRAM = """
import asyncio, sys
from contextlib import asynccontextmanager
from fastapi import FastAPI
from starlette.responses import StreamingResponse
from atelier_telemetry import http_process, server
from atelier_telemetry.operations import operations_router
from atelier_telemetry.shutdown import Shutdown

phase, port, stop = sys.argv[1], int(sys.argv[2]), Shutdown()
server.END_S_MAX = 0.5 if phase == "deaf" else 30.0
server.FIRST_REQUEST_S_MAX = 30.0
waits = asyncio.Event()

@asynccontextmanager
async def lifespan(app):
    print("starting", flush=True)
    if phase == "starting":
        await asyncio.Event().wait()
    if phase == "failing":
        raise RuntimeError("no such database")
    yield
    if phase == "deaf":
        await asyncio.Event().wait()

app = FastAPI(lifespan=lifespan)
app.include_router(operations_router({"process": stop.has_not_begun}))
stop.call_when_waits_end(waits.set)

@app.get("/wait")
async def wait():
    print("waiting", flush=True)
    await waits.wait()
    return {"told": "the id"}

@app.get("/busy")
async def busy():
    print("busy", flush=True)
    sys.stdin.readline()

@app.get("/stream")
async def stream():
    async def chunks():
        yield "first"
        await waits.wait()
        yield "last"
    return StreamingResponse(chunks())

http_process.serve(app, host="127.0.0.1", port=port, stop=stop, drain_s=float(sys.argv[3]))
"""


def _free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def run_server(phase: str, drain_s: float = 0.0) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """The program in that phase, and its address."""
    port = _free_port()
    command = [sys.executable, "-c", PROGRAM, phase, str(port), str(drain_s)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "starting\n"
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def _is_ready(url: str) -> int:
    try:
        return httpx.get(f"{url}/health/ready", trust_env=False).status_code
    except httpx.TransportError:
        return 0


def _alive(url: str) -> httpx.Response:
    return httpx.get(f"{url}/health/live", trust_env=False)


def test_a_start_that_hangs_is_ended_by_sigterm() -> None:
    with run_server("starting") as (process, _):
        process.send_signal(signal.SIGTERM)

        assert process.wait(PATIENCE_S) == -signal.SIGTERM


def test_a_start_that_fails_ends_the_process_with_its_own_code() -> None:
    with run_server("failing") as (process, _):
        assert process.wait(PATIENCE_S) == 3


def test_a_connection_accepted_before_the_end_is_answered_though_its_request_comes_later() -> None:
    with run_server("serving") as (process, url):
        _until(lambda: _is_ready(url) == 200)
        host, _, port = url.removeprefix("http://").partition(":")
        with closing(socket.create_connection((host, int(port)), timeout=PATIENCE_S)) as client:
            process.send_signal(signal.SIGTERM)
            _until(lambda: _is_ready(url) == 0)

            client.sendall(b"GET /health/live HTTP/1.1\r\nHost: here\r\n\r\n")
            answer = client.makefile("rb").readline()

        assert answer == b"HTTP/1.1 200 OK\r\n"
        assert process.wait(PATIENCE_S) == -signal.SIGTERM


def test_a_process_that_cannot_end_is_killed() -> None:
    with run_server("deaf") as (process, url):
        _until(lambda: _is_ready(url) == 200)
        process.send_signal(signal.SIGTERM)

        assert process.wait(PATIENCE_S) == -signal.SIGKILL


def test_a_process_that_drains_answers_but_is_not_ready() -> None:
    with run_server("serving", drain_s=60.0) as (process, url):
        _until(lambda: _is_ready(url) == 200)
        process.send_signal(signal.SIGTERM)

        _until(lambda: _is_ready(url) == 503)
        _until(lambda: _alive(url).headers.get("connection") == "close")
        assert _alive(url).status_code == 200
        process.send_signal(signal.SIGTERM)  # a second one cuts the draining short

        assert process.wait(PATIENCE_S) == -signal.SIGTERM


def test_who_waits_is_answered_and_a_stream_ends_whole_when_the_process_ends() -> None:
    with (
        run_server("serving") as (process, url),
        httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE_S) as client,
    ):
        _until(lambda: _is_ready(url) == 200)
        with client.stream("GET", "/stream") as stream:
            chunks = stream.iter_text()
            assert next(chunks) == "first"
            waiting = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])))
            waiting.sendall(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            assert process.stdout is not None and process.stdout.readline() == "waiting\n"
            os.kill(process.pid, signal.SIGTERM)

            assert "".join(chunks) == "last"
        with waiting, waiting.makefile("rb") as answer:
            told = answer.read()

        assert told.startswith(b"HTTP/1.1 200 ") and told.endswith(b'{"told":"the id"}')
        assert process.wait(PATIENCE_S) == -signal.SIGTERM


def test_a_connection_that_waits_to_be_accepted_is_answered_before_the_listener_closes() -> None:
    with run_server("busy") as (process, url):
        _until(lambda: _is_ready(url) == 200)
        address = ("127.0.0.1", int(url.rpartition(":")[2]))
        with closing(socket.create_connection(address)) as busy:
            busy.sendall(b"GET /busy HTTP/1.1\r\nHost: x\r\n\r\n")
            assert process.stdout is not None and process.stdout.readline() == "busy\n"
            # The loop accepts nothing now: these lie in the listener's queue while the process is asked to end.
            late = [socket.create_connection(address) for _ in range(20)]
            for connection in late:
                connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
            process.send_signal(signal.SIGTERM)
            assert process.stdin is not None
            process.stdin.write("go on\n")
            process.stdin.flush()
            answers = [connection.recv(12) for connection in late]
            for connection in late:
                connection.close()

        assert answers == [b"HTTP/1.1 200"] * 20
        assert process.wait(PATIENCE_S) == -signal.SIGTERM
