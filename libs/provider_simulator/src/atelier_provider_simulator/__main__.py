"""``python -m atelier_provider_simulator --port N``: serves on the loopback interface until it is ended."""

import argparse
import os
import signal
import time
from threading import Thread

import uvicorn

from atelier_provider_simulator.app import create_app
from atelier_provider_simulator.connections import CuttableProtocol
from atelier_provider_simulator.providers import PROVIDERS

PARENT_EVERY_S = 1.0


def main() -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(prog="atelier_provider_simulator", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    for name, provider in PROVIDERS.items():
        parser.add_argument(f"--{name}-key", default=provider.KEY, help=f"the one key that the paths of {name} accept")
    parser.add_argument("--parent", type=int, help="a process id: the server ends when this process has ended")
    arguments = parser.parse_args()
    if arguments.parent:
        Thread(target=_end_with_parent, args=(arguments.parent,), daemon=True).start()
    app = create_app({name: getattr(arguments, f"{name}_key") for name in PROVIDERS})
    uvicorn.run(
        app,
        host=arguments.host,
        port=arguments.port,
        http=CuttableProtocol,
        timeout_graceful_shutdown=1,
        log_level="warning",
    )


def _end_with_parent(parent: int) -> None:
    """A parent that was killed cannot end its children."""
    while os.getppid() == parent:
        time.sleep(PARENT_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
