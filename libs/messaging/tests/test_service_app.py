"""What the internal API of a service says of an outage, and of a fault of its own."""

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from fastapi import FastAPI
from starlette.responses import StreamingResponse

from atelier_messaging import service_app
from atelier_messaging.service_app import create_service_app


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    app = create_service_app("Atelier tests", lifespan)

    @app.get("/internal/away")
    async def away() -> None:
        raise ConnectionRefusedError("postgres at 10.0.0.7")

    @app.get("/internal/broken")
    async def broken() -> None:
        raise ZeroDivisionError

    @app.get("/internal/cut")
    async def cut() -> StreamingResponse:
        async def lines() -> AsyncIterator[bytes]:
            yield b"one line"
            raise ConnectionResetError

        return StreamingResponse(lines())

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://service") as client:
        yield client


async def test_an_outage_is_a_503_that_says_nothing_of_our_inside_and_one_line_of_the_log(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, service_app.__name__)

    answered = await client.get("/internal/away")

    assert (answered.status_code, answered.headers["Retry-After"]) == (503, "1")
    assert "10.0.0.7" not in answered.text
    (line,) = (record for record in caplog.records if record.name == service_app.__name__)
    assert (line.levelname, line.exc_info) == ("WARNING", None)
    assert "GET /internal/away failed, answering 503: ConnectionRefusedError('postgres at 10.0.0.7')" in line.message


@pytest.mark.parametrize(
    ("path", "error"), [("/internal/broken", ZeroDivisionError), ("/internal/cut", ConnectionResetError)]
)
async def test_a_fault_and_an_answer_under_way_are_left_to_the_server(
    client: httpx.AsyncClient, path: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await client.get(path)
