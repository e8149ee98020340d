"""The outermost layer, over real ASGI: headers on every answer, a cap on what is read, no leak of what went wrong."""

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request
from prometheus_client import REGISTRY
from starlette.responses import Response

from atelier_gateway.middleware import request_guard
from atelier_gateway.middleware.request_guard import SECURITY_HEADERS, RequestGuard
from atelier_gateway.surfaces import shape_of, surface_of
from atelier_gateway.web.json_bodies import RequestBody, json_response, parse_body
from atelier_gateway.web.problems import Problem

BYTES_MAX = 1_000


class Anything(RequestBody):
    name: str


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    app.add_middleware(RequestGuard, body_bytes_max=BYTES_MAX, shape_of=shape_of, surface_of=surface_of)

    @app.exception_handler(Problem)
    async def refuse(request: Request, problem: Problem) -> Response:
        return shape_of(request.url.path)(problem)

    @app.post("/v1/read")
    async def take(request: Request) -> Response:
        return json_response({"read": len((await parse_body(request, Anything)).name)})

    @app.get("/v1/broken")
    async def raise_surprise() -> None:
        raise RuntimeError("the password is canary")

    @app.get("/v1/open")
    async def count_open() -> float:
        return open_requests()

    @app.get("/v1/away")
    async def away() -> None:
        raise ConnectionRefusedError("postgres at 10.0.0.7")

    return app


def open_requests() -> float:
    return REGISTRY.get_sample_value("atelier_requests_open") or 0.0


@pytest.fixture
async def client(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://gateway") as client:
        yield client


@pytest.mark.parametrize("path", ["/v1/broken", "/v1/away", "/v1/nowhere", "/v1/read"])
async def test_security_headers_and_a_request_id_stand_on_every_answer(client: httpx.AsyncClient, path: str) -> None:
    answered = await client.get(path)

    assert answered.status_code >= 400
    assert {name: answered.headers.get(name) for name in SECURITY_HEADERS} == SECURITY_HEADERS
    assert len(answered.headers["X-Request-Id"]) == 36


@pytest.mark.parametrize(("path", "status"), [("/v1/broken", 500), ("/v1/away", 503)])
async def test_a_surprise_tells_the_client_nothing_of_our_inside(
    client: httpx.AsyncClient, path: str, status: int
) -> None:
    answered = await client.get(path)

    assert answered.status_code == status
    assert answered.json()["status"] == status
    assert not any(word in answered.text for word in ("canary", "RuntimeError", "10.0.0.7", "Traceback"))


async def test_a_surprise_is_logged_with_all_there_is_and_an_outage_is_a_line(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, request_guard.__name__)  # a gateway that ran in this process has set the root's

    await client.get("/v1/broken")
    await client.get("/v1/away")

    surprise, outage = (record for record in caplog.records if record.name == request_guard.__name__)
    assert (surprise.levelname, surprise.exc_info is not None) == ("ERROR", True)
    assert (outage.levelname, outage.exc_info) == ("WARNING", None)
    assert "answering 503: ConnectionRefusedError('postgres at 10.0.0.7')" in outage.getMessage()


async def test_a_body_beyond_the_cap_is_413_whether_its_length_was_told_or_not(client: httpx.AsyncClient) -> None:
    big = json.dumps({"name": "x" * BYTES_MAX}).encode()

    async def in_chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 100):
            yield big[start : start + 100]

    told, chunked = await client.post("/v1/read", content=big), await client.post("/v1/read", content=in_chunks())

    assert (told.status_code, chunked.status_code) == (413, 413)
    assert told.json()["code"] == "request_too_large"


@pytest.mark.parametrize(
    "content",
    [b"", b"[", b"[" * 900, b'{"name": 1}', b'{"name": "x", "price": 0}', b'{"name": "\\ud800"}', b"\xff", b"[]"],
)
async def test_a_body_that_is_not_what_was_asked_for_is_400_with_the_field(
    client: httpx.AsyncClient, content: bytes
) -> None:
    answered = await client.post("/v1/read", content=content)

    assert answered.status_code == 400
    assert answered.json()["errors"][0]["field"] in {"body", "name", "price"}


@pytest.mark.parametrize("path", ["/v1/open", "/v1/broken", "/v1/nowhere"])
async def test_a_request_is_counted_as_open_until_it_is_answered_whatever_the_answer(
    client: httpx.AsyncClient, path: str
) -> None:
    before = open_requests()

    answered = await client.get(path)

    if path == "/v1/open":
        assert answered.json() == before + 1
    assert open_requests() == before


async def test_a_good_body_is_read(client: httpx.AsyncClient) -> None:
    answered = await client.post("/v1/read", content=b'{"name": "hello"}')

    assert (answered.status_code, answered.json()) == (200, {"read": 5})


async def test_a_client_that_hangs_up_in_mid_request_is_one_line_and_no_answer(
    app: FastAPI, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve([listener]))
        counted = _answers()

        _, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"POST /v1/read HTTP/1.1\r\nHost: gateway\r\nContent-Length: 99\r\n\r\n{")
        await writer.drain()
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(60):
            while not (said := [record for record in caplog.records if record.name.startswith("atelier")]):  # noqa: ASYNC110 - a log
                await asyncio.sleep(0.01)
        server.should_exit = True
        await serving

    assert [(record.levelname, record.exc_info) for record in said] == [("INFO", None)]
    assert "its client is gone" in said[0].getMessage()
    # Not what a neighbour's broker has to say.
    ours = [record for record in caplog.records if record.name.startswith(("atelier", "uvicorn"))]
    assert not [record for record in ours if record.levelno >= logging.WARNING]
    assert _answers() == counted


def _answers() -> dict[str, float]:
    """All that was ever answered, by surface and status."""
    counters = (metric for metric in REGISTRY.collect() if metric.name == "atelier_requests")
    return {
        str(sample.labels): sample.value
        for counter in counters
        for sample in counter.samples
        if "_total" in sample.name
    }


def test_server_errors_of_every_surface_are_counted_from_zero(app: FastAPI) -> None:
    RequestGuard(app, body_bytes_max=1, shape_of=shape_of, surface_of=surface_of, surfaces=("never", "asked"))

    for surface in ("never", "asked"):
        for status in ("500", "503"):
            assert REGISTRY.get_sample_value("atelier_requests_total", {"surface": surface, "status": status}) == 0
