"""healthcheck.py reports the state of the service beside it to the container engine."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / "healthcheck.py"


class Live(BaseHTTPRequestHandler):
    """Alive, and not ready: its broker is unavailable."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health/live" else 503)
        self.end_headers()
        self.wfile.write(b'{"parts": {"broker": "failing"}}')

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Live) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def check(path: str, port: int) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"SERVICE": "billing", "ATELIER_BILLING_PORT": str(port)}
    return subprocess.run([sys.executable, SCRIPT, path], check=False, capture_output=True, text=True, env=environment)


def test_a_service_that_answers_is_healthy(port: int) -> None:
    assert check("/health/live", port).returncode == 0


def test_a_service_that_refuses_is_unhealthy_and_the_reason_is_shown(port: int) -> None:
    done = check("/health/ready", port)

    assert done.returncode == 1
    assert "/health/ready answered 503" in done.stderr
    assert "broker" in done.stderr


def test_a_service_that_is_not_there_is_unhealthy() -> None:
    done = check("/health/live", port=1)

    assert done.returncode == 1
    assert "gave no answer" in done.stderr
