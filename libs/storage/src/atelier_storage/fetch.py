"""Fetching what clients point at without becoming their way into our network: the name is resolved once, every address
it has must be public, the connection goes to that very address, and no redirect is followed.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from ipaddress import ip_address

import h11
from opentelemetry import trace

from .addresses import IPAddress, parse_address
from .errors import FetchFailed
from .targets import Refusal, Target, parse_url, refuse_address, refuse_target
from .trust import ca_file

ADDRESSES_TRIED_MAX = 4
_READ_BYTES = 64 * 1024
_USER_AGENT = "atelier-fetch/1"
_UNKNOWN_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})
_TRANSIENT_STATUS = frozenset({408, 425, 429})

Resolver = Callable[[str, int], Awaitable[list[IPAddress]]]
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

_tracer = trace.get_tracer("atelier_storage")


@dataclass(frozen=True)
class Fetched:
    """The bytes of an answer; `claimed_type` is what its sender says they are, to be trusted by nobody."""

    body: bytes = field(repr=False)
    claimed_type: str | None


class SafeFetcher:
    """GETs URLs that clients gave. Bounds: bytes and seconds per fetch, fetches at once.

    `allow_hosts` (`host:port`) lets operators and tests reach addresses that are otherwise refused; `resolve` is the
    name service, given for tests.
    """

    def __init__(
        self,
        *,
        max_bytes: int = 10 * 1024 * 1024,
        timeout_s: float = 15.0,
        connect_timeout_s: float = 3.0,
        fetches_max: int = 8,
        allow_hosts: frozenset[str] = frozenset(),
        resolve: Resolver | None = None,
    ) -> None:
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s
        self._connect_timeout_s = connect_timeout_s
        self._allow_hosts = allow_hosts
        self._resolve = resolve or self._resolve_by_system
        self._free = asyncio.Semaphore(fetches_max)
        # Of our own: names that hang must not use up the threads everybody else resolves on.
        self._threads = ThreadPoolExecutor(fetches_max, thread_name_prefix="resolve")

    async def fetch(self, url: str) -> Fetched | Refusal:
        """The body of a 2xx answer, or why this URL will never do. Raises FetchFailed when it may do later."""
        target = parse_url(url)
        if isinstance(target, Refusal):
            return target
        # The host only: paths and queries of signed URLs are secrets.
        attributes: dict[str, str | int] = {"server.address": target.host, "server.port": target.port}
        with _tracer.start_as_current_span("storage fetch", kind=trace.SpanKind.CLIENT, attributes=attributes) as span:
            outcome = await self._in_time(target)
            span.set_attribute("atelier.outcome", outcome.code if isinstance(outcome, Refusal) else "fetched")
            return outcome

    def close(self) -> None:
        """Let go of the resolver threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _in_time(self, target: Target) -> Fetched | Refusal:
        try:
            async with asyncio.timeout(self._timeout_s), self._free:
                return await self._fetch(target)
        except ssl.SSLCertVerificationError:
            return Refusal("certificate", "The host's certificate is not valid for its name.")
        except TimeoutError as error:
            raise FetchFailed(f"{target.host} did not answer in time.") from error
        except (OSError, h11.RemoteProtocolError) as error:
            raise FetchFailed(f"{target.host} did not answer properly: {type(error).__name__}.") from error

    async def _fetch(self, target: Target) -> Fetched | Refusal:
        addresses = await self._addresses(target)
        if isinstance(addresses, Refusal):
            return addresses
        reader, writer = await self._connect(target, addresses)
        try:
            return await self._exchange(target, reader, writer)
        finally:
            # Not a polite close: a peer could make us wait for its goodbye.
            writer.transport.abort()

    async def _addresses(self, target: Target) -> list[IPAddress] | Refusal:
        refusal = refuse_target(target, allow_hosts=self._allow_hosts)
        if refusal is not None:
            return refusal
        literal = parse_address(target.host)
        addresses = await self._resolve(target.host, target.port) if literal is None else [literal]
        if not addresses:
            return Refusal("unknown_host", "The host name is not known.")
        if target.host_and_port in self._allow_hosts:
            return addresses
        # One internal address among public ones is enough: which one a connection takes is not ours to gamble on.
        return next((refused for address in addresses if (refused := refuse_address(address))), addresses)

    async def _connect(self, target: Target, addresses: list[IPAddress]) -> Connection:
        failure: OSError = OSError("no address to connect to")
        for address in addresses[:ADDRESSES_TRIED_MAX]:
            try:
                async with asyncio.timeout(self._connect_timeout_s):
                    return await asyncio.open_connection(
                        str(address),
                        target.port,
                        ssl=self._tls if target.scheme == "https" else None,
                        server_hostname=target.host if target.scheme == "https" else None,
                    )
            except ssl.SSLCertVerificationError:
                raise
            except OSError as error:  # TimeoutError is one
                failure = error
        raise failure

    async def _exchange(
        self, target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> Fetched | Refusal:
        connection = h11.Connection(h11.CLIENT)
        writer.write(connection.send(_request(target)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        body, claimed_type = bytearray(), None
        while not isinstance(event := await _next_event(connection, reader), h11.EndOfMessage):
            if isinstance(event, h11.Response):
                headers = dict(event.headers)
                refusal = self._refuse_answer(event.status_code, headers)
                if refusal is not None:
                    return refusal
                claimed_type = headers.get(b"content-type", b"").decode("latin-1") or None
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > self._max_bytes:
                    return self._too_large()
        return Fetched(bytes(body), claimed_type)

    def _refuse_answer(self, status: int, headers: dict[bytes, bytes]) -> Refusal | None:
        if status >= 500 or status in _TRANSIENT_STATUS:
            raise FetchFailed(f"The host answered {status}.")
        if 300 <= status < 400:
            return Refusal("redirect", "The URL redirects; give the address it leads to.")
        if status != 200:
            return Refusal("status", f"The host answered {status}.")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return Refusal("encoded", "The host sent the picture in a content encoding that was not asked for.")
        length = headers.get(b"content-length", b"0")
        return self._too_large() if int(length) > self._max_bytes else None

    def _too_large(self) -> Refusal:
        return Refusal("too_large", f"The file is larger than {self._max_bytes} bytes.")

    async def _resolve_by_system(self, host: str, port: int) -> list[IPAddress]:
        def look_up() -> list[IPAddress]:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return list(dict.fromkeys(ip_address(entry[4][0]) for entry in found))

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except socket.gaierror as error:
            if error.errno in _UNKNOWN_NAME:
                return []
            raise

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=ca_file())


def _request(target: Target) -> h11.Request:
    headers = [
        ("Host", target.authority),
        ("User-Agent", _USER_AGENT),
        ("Accept", "image/*"),
        # A compressed answer could unfold to any size.
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
    ]
    return h11.Request(method="GET", target=target.request_path, headers=headers)


async def _next_event(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Event:
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Event):
            return event
        # NEED_DATA; h11 itself refuses heads past 16 KiB and an end of the stream that comes too early.
        connection.receive_data(await reader.read(_READ_BYTES))
