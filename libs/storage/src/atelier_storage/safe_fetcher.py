"""Fetches URLs that clients name: over a connection that cannot lead into our network (``safe_connector.py``), within
bounds, without following redirects.
"""

import asyncio
import ssl
from dataclasses import dataclass, field

import h11
from opentelemetry import trace

from atelier_storage.errors import FetchFailed
from atelier_storage.safe_connector import Resolver, SafeConnector, next_event
from atelier_storage.url_policy import HttpTarget, UrlRefusal, parse_url

_USER_AGENT = "atelier-fetch/1"
_TRANSIENT_STATUS = frozenset({408, 425, 429})

_tracer = trace.get_tracer("atelier_storage")


@dataclass(frozen=True)
class FetchedFile:
    """The body of a response; ``claimed_type`` is its Content-Type, which must not be trusted."""

    body: bytes = field(repr=False)
    claimed_type: str | None


class SafeFetcher:
    """GETs URLs that clients gave. Bounds: bytes and seconds per fetch, fetches at once.

    ``allow_hosts`` (``host:port``) lets operators and tests reach addresses that are otherwise refused; ``resolve`` is
    the name service, given for tests.
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
        self._allow_hosts = allow_hosts
        self._free = asyncio.Semaphore(fetches_max)
        self._connector = SafeConnector(connect_timeout_s=connect_timeout_s, threads=fetches_max, resolve=resolve)

    async def fetch(self, url: str) -> FetchedFile | UrlRefusal:
        """The body of a 2xx answer, or why this URL will never do. Raises FetchFailed when it may do later."""
        target = parse_url(url)
        if isinstance(target, UrlRefusal):
            return target
        # The host only: paths and queries of signed URLs are secrets.
        attributes: dict[str, str | int] = {"server.address": target.host, "server.port": target.port}
        with _tracer.start_as_current_span("storage fetch", kind=trace.SpanKind.CLIENT, attributes=attributes) as span:
            outcome = await self._fetch_within_timeout(target)
            span.set_attribute("atelier.outcome", outcome.code if isinstance(outcome, UrlRefusal) else "fetched")
            return outcome

    def close(self) -> None:
        """Releases the resolver threads."""
        self._connector.close()

    async def _fetch_within_timeout(self, target: HttpTarget) -> FetchedFile | UrlRefusal:
        try:
            async with asyncio.timeout(self._timeout_s), self._free:
                return await self._fetch(target)
        except ssl.SSLCertVerificationError:
            return UrlRefusal("certificate", "The host's certificate is not valid for its name.")
        except TimeoutError as error:
            raise FetchFailed(f"{target.host} did not answer in time.") from error
        except (OSError, h11.RemoteProtocolError) as error:
            raise FetchFailed(f"{target.host} cannot be reached, or closed the connection early.") from error

    async def _fetch(self, target: HttpTarget) -> FetchedFile | UrlRefusal:
        opened = await self._connector.open(target, allow_hosts=self._allow_hosts)
        if isinstance(opened, UrlRefusal):
            return opened
        reader, writer = opened
        try:
            return await self._exchange(target, reader, writer)
        finally:
            # Not a polite close: a peer could make us wait for its goodbye.
            writer.transport.abort()

    async def _exchange(
        self, target: HttpTarget, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> FetchedFile | UrlRefusal:
        connection = h11.Connection(h11.CLIENT)
        writer.write(connection.send(_request(target)) or b"")
        writer.write(connection.send(h11.EndOfMessage()) or b"")
        await writer.drain()
        body, claimed_type = bytearray(), None
        while not isinstance(event := await next_event(connection, reader), h11.EndOfMessage):
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
        return FetchedFile(bytes(body), claimed_type)

    def _refuse_answer(self, status: int, headers: dict[bytes, bytes]) -> UrlRefusal | None:
        if status >= 500 or status in _TRANSIENT_STATUS:
            raise FetchFailed(f"The host answered {status}.")
        if 300 <= status < 400:
            return UrlRefusal("redirect", "The URL redirects; give the address it leads to.")
        if status != 200:
            return UrlRefusal("status", f"The host answered {status}.")
        if headers.get(b"content-encoding", b"identity").lower() != b"identity":
            return UrlRefusal("encoded", "The host sent the picture in a content encoding that was not asked for.")
        length = headers.get(b"content-length", b"0")
        return self._too_large() if int(length) > self._max_bytes else None

    def _too_large(self) -> UrlRefusal:
        return UrlRefusal("too_large", f"The file is larger than {self._max_bytes} bytes.")


def _request(target: HttpTarget) -> h11.Request:
    headers = [
        ("Host", target.authority),
        ("User-Agent", _USER_AGENT),
        ("Accept", "image/*"),
        # A compressed answer could unfold to any size.
        ("Accept-Encoding", "identity"),
        ("Connection", "close"),
    ]
    return h11.Request(method="GET", target=target.request_path, headers=headers)
