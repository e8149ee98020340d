"""Running a service's HTTP: one uvicorn process, logs and shutdown as ours."""

import gc
import socket
from collections.abc import Sequence

import uvicorn
from starlette.types import ASGIApp

from atelier_telemetry.memory_protection import protect_memory

SHUTDOWN_S = 5
GC_ALLOCATIONS = 20_000


def serve(app: ASGIApp, *, host: str, port: int, also: Sequence[tuple[str, int]] = ()) -> None:
    """Blocks until SIGTERM or SIGINT; then finishes requests for at most ``SHUTDOWN_S`` seconds.

    ``also``: further (host, port) that the same application answers on; ``scope["server"]`` tells it which.
    """
    protect_memory()
    # What start-up made lives as long as the process: the collector need not look at it again and again.
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
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    # One server for all sockets: two servers would each take the process's signals from the other.
    uvicorn.Server(config).run([bound(*address) for address in ((host, port), *also)])


def bound(host: str, port: int) -> socket.socket:
    """A socket that holds the address; it listens once the application has started. Raises OSError when it is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((host, port))
    return listener
