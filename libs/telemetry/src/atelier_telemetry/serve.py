"""Running a service's HTTP: one uvicorn process, logs and shutdown as ours."""

import gc

import uvicorn
from fastapi import FastAPI

from atelier_telemetry.memory_protection import protect_memory

SHUTDOWN_S = 5
GC_ALLOCATIONS = 20_000


def serve(app: FastAPI, *, host: str, port: int) -> None:
    """Blocks until SIGTERM or SIGINT; then finishes requests for at most ``SHUTDOWN_S`` seconds."""
    protect_memory()
    # What start-up made lives as long as the process: the collector need not look at it again and again.
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, 20, 50)
    uvicorn.run(
        app,
        host=host,
        port=port,
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
