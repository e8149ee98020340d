"""Runs a service's HTTP server: one uvicorn process with our logs and our shutdown."""

import faulthandler
import gc
import signal
import socket
from collections.abc import Sequence
from contextlib import suppress

import uvicorn
from starlette.types import ASGIApp

from atelier_telemetry.memory_protection import protect_memory
from atelier_telemetry.server import STARTUP_FAILED, Server
from atelier_telemetry.shutdown import Shutdown

REQUESTS_S_MAX = 8
"""How long requests under way may take once the listener has closed; then they are cancelled."""
IDLE_S_MAX = 75
"""How long a connection without a request is kept: longer than clients keep theirs (httpx 5 s, which is also uvicorn's
own time; Node 4 s; proxies a minute), so that it is the client that closes it. Where both do at the same moment, a
request is lost that was just being sent, and its client cannot know whether it was handled."""
GC_ALLOCATIONS = 20_000


def serve(
    app: ASGIApp, *, host: str, port: int, stop: Shutdown, drain_s: float, also: Sequence[tuple[str, int]] = ()
) -> None:
    """Blocks until SIGTERM or SIGINT. Then it is not ready any more, answers for another ``drain_s`` seconds, ends
    every wait, closes its listeners and finishes requests for at most ``REQUESTS_S_MAX`` seconds. At SIGUSR1 it writes
    to stderr where each of its threads is, also where the event loop stands still.

    ``also``: further (host, port) that the same application answers on; ``scope["server"]`` names it.
    """
    protect_memory()
    faulthandler.register(signal.SIGUSR1)
    # Objects of the start-up live as long as the process: the collector need not scan them again.
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=REQUESTS_S_MAX,
        timeout_keep_alive=IDLE_S_MAX,
    )
    # One server for all sockets: two servers would each take the process's signals from the other.
    server = Server(config, stop, drain_s)
    with suppress(KeyboardInterrupt):
        server.run([bind_socket(*address) for address in ((host, port), *also)])
    if not server.started:
        raise SystemExit(STARTUP_FAILED)


def bind_socket(host: str, port: int) -> socket.socket:
    """A socket that holds the address; it listens once the application has started. Raises OSError when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener
