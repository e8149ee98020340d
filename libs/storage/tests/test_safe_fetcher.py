"""The fetcher against real sockets: what it brings home, what it refuses, and how long it lets itself be held up."""

import asyncio
from ipaddress import ip_address
from pathlib import Path

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from atelier_storage.errors import FetchFailed
from atelier_storage.ip_policy import IPAddress
from atelier_storage.safe_fetcher import FetchedFile, SafeFetcher
from atelier_storage.url_policy import UrlRefusal

from .conftest import free_port
from .support.certificates import self_signed_certificate
from .support.http_server import Script, Server, resolver_with, run_server

HOST = "pictures.example.com"
LOOPBACK = ip_address("127.0.0.1")
OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"


def fetcher(server: Server, *, max_bytes: int = 1000, timeout_s: float = 5.0) -> SafeFetcher:
    loopback_allow_list = frozenset({f"127.0.0.1:{server.port}", f"{HOST}:{server.port}"})
    resolve, _ = resolver_with("127.0.0.1")
    return SafeFetcher(max_bytes=max_bytes, timeout_s=timeout_s, allow_hosts=loopback_allow_list, resolve=resolve)


async def fetch(response: Script | bytes, *, max_bytes: int = 1000, timeout_s: float = 5.0) -> FetchedFile | UrlRefusal:
    async with run_server(response) as server:
        return await fetcher(server, max_bytes=max_bytes, timeout_s=timeout_s).fetch(
            f"http://127.0.0.1:{server.port}/a.png"
        )


def code(outcome: FetchedFile | UrlRefusal) -> str:
    return outcome.code if isinstance(outcome, UrlRefusal) else "fetched"


@pytest.mark.parametrize(
    "response",
    [
        OK + b"Content-Length: 5\r\n\r\nbytes",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\nby\r\n3\r\ntes\r\n0\r\n\r\n",
        OK + b"\r\nbytes",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"Content-Length: 5\r\n\r\nbytes",
    ],
)
async def test_a_picture_is_brought_home_however_it_is_framed(response: bytes) -> None:
    assert await fetch(response) == FetchedFile(b"bytes", "image/png")


async def test_the_request_names_the_host_and_asks_for_nothing_compressed() -> None:
    async with run_server(OK + b"Content-Length: 0\r\n\r\n") as server:
        await fetcher(server).fetch(f"http://{HOST}:{server.port}/a.png?sig=%2F#top")

    head = server.heads[0]
    assert head.startswith("GET /a.png?sig=%2F HTTP/1.1\r\n")
    assert f"Host: {HOST}:{server.port}\r\n" in head
    assert "Accept-Encoding: identity\r\n" in head
    assert "traceparent" not in head.lower()


@pytest.mark.parametrize(
    ("response", "refused"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n", "redirect"),
        (b"HTTP/1.1 301 Moved\r\nLocation: /b.png\r\n\r\n", "redirect"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "status"),
        (b"HTTP/1.1 403 Forbidden\r\n\r\n", "status"),
        (b"HTTP/1.1 204 No Content\r\n\r\n", "status"),
        (OK + b"Content-Encoding: gzip\r\n\r\nxx", "encoded"),
        (OK + b"Content-Length: 1001\r\n\r\n", "too_large"),
        (OK + b"\r\n" + b"x" * 1001, "too_large"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\n" + (b"64\r\n" + b"x" * 100 + b"\r\n") * 11, "too_large"),
    ],
)
async def test_an_answer_that_will_never_do_is_refused(response: bytes, refused: str) -> None:
    assert code(await fetch(response)) == refused


@pytest.mark.parametrize(
    "response",
    [
        b"",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 503 Service Unavailable\r\n\r\n",
        b"HTTP/1.1 429 Too Many Requests\r\n\r\n",
        OK + b"Content-Length: 50\r\n\r\ncut off",
        OK + b"X-Filler: " + b"x" * 200_000 + b"\r\n\r\n",
    ],
)
async def test_an_answer_that_may_be_better_next_time_fails(response: bytes) -> None:
    with pytest.raises(FetchFailed):
        await fetch(response)


async def test_an_endless_body_is_cut_at_the_limit() -> None:
    sent = 0

    async def endless(writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(OK + b"\r\n")
        while True:
            writer.write(b"x" * 65536)
            sent += 65536
            await writer.drain()

    assert code(await fetch(endless, max_bytes=100_000)) == "too_large"
    assert sent < 20_000_000


@pytest.mark.parametrize("first", [b"", OK[:5], OK + b"\r\n"])
async def test_a_host_that_drips_is_given_up_in_time(first: bytes) -> None:
    async def drip(writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.05)

    with pytest.raises(FetchFailed, match="in time"):
        await fetch(drip, timeout_s=0.3)  # it would drip without an end


async def test_a_host_that_is_down_fails() -> None:
    port = free_port()

    with pytest.raises(FetchFailed):
        await SafeFetcher(allow_hosts=frozenset({f"127.0.0.1:{port}"})).fetch(f"http://127.0.0.1:{port}/")


@pytest.mark.parametrize(
    "addresses",
    [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["::1"], ["::ffff:169.254.169.254"], ["64:ff9b::7f00:1"]],
)
async def test_a_public_name_with_any_internal_address_is_refused(addresses: list[str]) -> None:
    resolve, resolved_hosts = resolver_with(*addresses)

    outcome = await SafeFetcher(resolve=resolve).fetch("http://rebind.example.com/")

    assert code(outcome) == "internal_address"
    assert resolved_hosts == ["rebind.example.com"]


async def test_a_plainly_internal_url_is_not_even_resolved() -> None:
    resolve, resolved_hosts = resolver_with("93.184.215.14")

    outcomes = [code(await SafeFetcher(resolve=resolve).fetch(url)) for url in ("http://x.internal/", "http://127.1/")]

    assert outcomes == ["internal_name", "odd_address"]
    assert resolved_hosts == []


async def test_the_name_is_resolved_once_and_the_connection_goes_to_that_address() -> None:
    resolved_hosts: list[str] = []

    async def rebind(host: str, _port: int) -> list[IPAddress]:
        resolved_hosts.append(host)
        return [LOOPBACK if len(resolved_hosts) == 1 else ip_address("192.0.2.1")]

    async with run_server(OK + b"Content-Length: 5\r\n\r\nbytes") as server:
        hosts = frozenset({f"{HOST}:{server.port}"})
        outcome = await SafeFetcher(allow_hosts=hosts, resolve=rebind).fetch(f"http://{HOST}:{server.port}/")

    assert code(outcome) == "fetched"
    assert resolved_hosts == [HOST]


async def test_an_address_that_does_not_answer_is_followed_by_the_next() -> None:
    async with run_server(OK + b"Content-Length: 5\r\n\r\nbytes") as server:
        resolve, _ = resolver_with("127.0.0.2", "127.0.0.1")
        hosts = frozenset({f"{HOST}:{server.port}"})
        outcome = await SafeFetcher(allow_hosts=hosts, resolve=resolve).fetch(f"http://{HOST}:{server.port}/")

    assert code(outcome) == "fetched"


async def test_a_name_nobody_knows_is_refused() -> None:
    resolve, _ = resolver_with()

    assert code(await SafeFetcher(resolve=resolve).fetch("http://nobody.example.com/")) == "unknown_host"


async def test_the_system_resolver_is_asked_for_names() -> None:
    async with run_server(OK + b"Content-Length: 5\r\n\r\nbytes") as server:
        hosts = frozenset({f"localhost:{server.port}"})
        outcome = await SafeFetcher(allow_hosts=hosts).fetch(f"http://localhost:{server.port}/")

    assert code(outcome) == "fetched"


@pytest.mark.parametrize(("certified", "expected"), [(HOST, "fetched"), ("other.example.com", "certificate")])
async def test_tls_is_verified_for_the_name_not_the_address(
    certified: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tls, certificate_file = self_signed_certificate(certified, tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate_file))
    asked_for: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: asked_for.append(name)

    async with run_server(OK + b"Content-Length: 5\r\n\r\nbytes", tls) as server:
        outcome = await fetcher(server).fetch(f"https://{HOST}:{server.port}/a.png")

    assert code(outcome) == expected
    assert asked_for == [HOST]


async def test_only_so_many_fetches_run_at_once() -> None:
    running, most = 0, 0

    async def count(writer: asyncio.StreamWriter) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1
        writer.write(OK + b"Content-Length: 0\r\n\r\n")

    async with run_server(count) as server:
        url = f"http://127.0.0.1:{server.port}/"
        bounded = SafeFetcher(fetches_max=2, allow_hosts=frozenset({f"127.0.0.1:{server.port}"}))
        await asyncio.gather(*(bounded.fetch(url) for _ in range(6)))

    assert most == 2


async def test_a_span_tells_the_host_and_never_the_signed_query(spans: InMemorySpanExporter) -> None:
    async with run_server(OK + b"Content-Length: 0\r\n\r\n") as server:
        await fetcher(server).fetch(f"http://{HOST}:{server.port}/a.png?sig=canary")

    (span,) = (span for span in spans.get_finished_spans() if span.name == "storage fetch")
    assert (span.attributes or {})["server.address"] == HOST
    assert "canary" not in span.to_json()
