"""Billing's holds over HTTP: only billing itself can say that there is none."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from uuid import uuid4

import pytest
from pydantic import AnyHttpUrl, SecretStr

from atelier_session.holds import Holds
from atelier_telemetry.operations import NOTHING_THERE


@asynccontextmanager
async def answering(headers: dict[str, str]) -> AsyncIterator[Holds]:
    """The client of a server that answers 404 with these headers to everything."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(404)
            for name, value in {"Content-Type": "application/json", "Content-Length": "2", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    holds = Holds(AnyHttpUrl(f"http://127.0.0.1:{server.server_port}"), SecretStr("token"))
    try:
        yield holds
    finally:
        await holds.close()
        server.shutdown()


async def test_billing_says_that_there_is_no_hold() -> None:
    id_ = uuid4()

    async with answering(NOTHING_THERE) as holds:
        found = await holds.find([id_])

    assert found == {id_: {}}


@pytest.mark.parametrize("headers", [{}, {"X-Atelier-Answer": "something else"}])
async def test_a_404_of_a_proxy_or_of_a_wrong_address_says_nothing_about_the_hold(headers: dict[str, str]) -> None:
    async with answering(headers) as holds:
        found = await holds.find([uuid4()])

    assert found == {}
