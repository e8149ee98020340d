"""POSTing to clients' URLs against real sockets: what is reported, what is refused, how long it may take."""

import asyncio
from ipaddress import ip_address

import pytest

from atelier_storage.errors import FetchFailed
from atelier_storage.ip_policy import IPAddress
from atelier_storage.safe_poster import ANSWER_BYTES_MAX, PostResponse, SafePoster
from atelier_storage.url_policy import UrlRefusal

from .support.http_server import Script, resolver_with, run_server

BODY = b'{"type":"generation.succeeded"}'
TAKEN = b"HTTP/1.1 204 No Content\r\n\r\n"


async def post(response: Script | bytes, *, timeout_s: float = 5.0) -> tuple[PostResponse | UrlRefusal, str]:
    poster = SafePoster(timeout_s=timeout_s, loopback=True)
    async with run_server(response) as server:
        try:
            outcome = await poster.post(f"http://127.0.0.1:{server.port}/in?k=1", BODY, {"webhook-id": "m"})
        finally:
            poster.close()
    return outcome, server.heads[0]


async def test_the_body_and_the_headers_arrive_and_the_status_comes_back() -> None:
    outcome, head = await post(TAKEN)

    assert outcome == PostResponse(204)
    assert head.startswith("POST /in?k=1 HTTP/1.1\r\n")
    assert f"Content-Length: {len(BODY)}\r\n" in head and "webhook-id: m\r\n" in head
    assert "traceparent" not in head.lower()


@pytest.mark.parametrize(
    ("response", "told"),
    [
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n",
            PostResponse(302),
        ),
        (b"HTTP/1.1 429 Slow\r\nRetry-After: 7\r\nContent-Length: 3\r\n\r\nno!", PostResponse(429, "7", b"no!")),
        (b"HTTP/1.1 103 Early Hints\r\n\r\n" + TAKEN, PostResponse(204)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut off", PostResponse(200)),
    ],
)
async def test_the_status_is_told_as_it_is_and_no_redirect_is_followed(response: bytes, told: PostResponse) -> None:
    outcome, _ = await post(response)

    assert isinstance(outcome, PostResponse)
    assert (outcome.status, outcome.retry_after) == (told.status, told.retry_after)


async def test_of_an_endless_answer_only_the_beginning_is_read() -> None:
    async def endless(writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 500 Oh\r\n\r\n")
        while True:
            writer.write(b"x" * 65536)
            await writer.drain()

    outcome, _ = await post(endless)

    assert isinstance(outcome, PostResponse)
    assert (outcome.status, len(outcome.body)) == (500, ANSWER_BYTES_MAX)


@pytest.mark.parametrize("response", [b"", b"SSH-2.0-OpenSSH_9.2\r\n"])
async def test_what_is_no_answer_fails(response: bytes) -> None:
    with pytest.raises(FetchFailed):
        await post(response)


async def test_a_host_that_never_answers_is_given_up_in_time(silent_port: int) -> None:
    poster = SafePoster(timeout_s=0.2, loopback=True)

    with pytest.raises(FetchFailed, match="in time"):
        await poster.post(f"http://127.0.0.1:{silent_port}/", BODY, {})


@pytest.mark.parametrize(
    ("url", "refused"),
    [
        ("http://127.0.0.1:8000/", "port"),
        ("http://[::ffff:10.0.0.1]/", "internal_address"),
        ("http://hooks.internal/", "internal_name"),
        ("http://2130706433/", "odd_address"),
        ("http://rebind.example.com/", "internal_address"),
        ("ftp://example.com/", "scheme"),
    ],
)
async def test_nothing_is_posted_into_our_own_network(url: str, refused: str) -> None:
    resolve, _ = resolver_with("10.0.0.7")

    assert code_of(await SafePoster(resolve=resolve).post(url, BODY, {})) == refused


async def test_the_name_is_resolved_once_and_the_connection_goes_to_that_address() -> None:
    resolved_hosts: list[str] = []

    async def rebind(host: str, _port: int) -> list[IPAddress]:
        resolved_hosts.append(host)
        return [ip_address("127.0.0.1" if len(resolved_hosts) == 1 else "192.0.2.1")]

    async with run_server(TAKEN) as server:
        outcome = await SafePoster(loopback=True, resolve=rebind).post(f"http://localhost:{server.port}/", BODY, {})

    assert (outcome, resolved_hosts) == (PostResponse(204), ["localhost"])


def code_of(outcome: PostResponse | UrlRefusal) -> str:
    return outcome.code if isinstance(outcome, UrlRefusal) else "posted"
