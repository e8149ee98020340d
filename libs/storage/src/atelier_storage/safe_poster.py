"""Sends to URLs that clients name, by POST or PUT, as carefully as they are fetched; returns the status and the first
bytes of the body. Redirects are not followed; the caller decides what the status means.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

import h11

from atelier_storage.errors import FetchFailed
from atelier_storage.safe_connector import Connection, Resolver, SafeConnector, next_event
from atelier_storage.url_policy import HttpTarget, UrlRefusal, parse_url

ANSWER_BYTES_MAX = 4096
ETAG_CHARS_MAX = 200
Method = Literal["POST", "PUT"]
ANSWER_READ_S = 2.0
"""Seconds to read the body of a response whose status is already known."""
_USER_AGENT = "atelier-webhooks/1"
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True)
class PostResponse:
    """An answer; ``body`` is at most its first ``ANSWER_BYTES_MAX`` bytes, ``retry_after`` the header as it came."""

    status: int
    retry_after: str | None = None
    body: bytes = field(default=b"", repr=False)
    etag: str | None = None


class SafePoster:
    """POSTs to URLs that clients gave, each within ``timeout_s``.

    ``loopback`` lets developers and tests reach servers on this machine, at any port; ``resolve`` is the name service,
    given for tests. How many posts run at once is the caller's bound.
    """

    def __init__(
        self,
        *,
        timeout_s: float = 10.0,
        connect_timeout_s: float = 3.0,
        loopback: bool = False,
        resolve: Resolver | None = None,
    ) -> None:
        self._timeout_s = timeout_s
        self._loopback = loopback
        self._connector = SafeConnector(connect_timeout_s=connect_timeout_s, threads=8, resolve=resolve)

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> PostResponse | UrlRefusal:
        """The answer, or why this URL must not be posted to. Raises FetchFailed where no answer came."""
        return await self._send("POST", url, body, headers)

    async def put(self, url: str, body: bytes, headers: Mapping[str, str]) -> PostResponse | UrlRefusal:
        """The same for a PUT."""
        return await self._send("PUT", url, body, headers)

    async def _send(
        self, method: Method, url: str, body: bytes, headers: Mapping[str, str]
    ) -> PostResponse | UrlRefusal:
        target = parse_url(url)
        if isinstance(target, UrlRefusal):
            return target
        try:
            async with asyncio.timeout(self._timeout_s) as bound:
                return await self._send_to(target, _Message(method, body, headers), bound)
        except ssl.SSLCertVerificationError:
            return UrlRefusal("certificate", "The host's certificate is not valid for its name.")
        except TimeoutError as error:
            raise FetchFailed(f"{target.host} did not answer in time.") from error
        except (OSError, h11.RemoteProtocolError) as error:
            raise FetchFailed(f"{target.host} did not answer properly: {type(error).__name__}.") from error

    def close(self) -> None:
        """Releases the resolver threads."""
        self._connector.close()

    async def _send_to(
        self, target: HttpTarget, message: "_Message", bound: asyncio.Timeout
    ) -> PostResponse | UrlRefusal:
        opened = await self._connector.open(target, allow_hosts=loopback_allow_list(target, loopback=self._loopback))
        if isinstance(opened, UrlRefusal):
            return opened
        try:
            head, connection = await _exchange(target, opened, message)
            bound.reschedule(None)  # the status is what counts; for the rest there is a time of its own
            return await _post_response(head, connection, opened[0])
        finally:
            # Not a polite close: a peer could make us wait for its goodbye.
            opened[1].transport.abort()


def loopback_allow_list(target: HttpTarget, *, loopback: bool) -> frozenset[str]:
    """The ``allow_hosts`` of a target where ``loopback`` lets this machine's own servers be reached."""
    return frozenset({target.host_and_port}) if loopback and target.host in _LOOPBACK else frozenset()


@dataclass(frozen=True, slots=True)
class _Message:
    method: Method
    body: bytes
    headers: Mapping[str, str]


async def _exchange(target: HttpTarget, opened: Connection, message: _Message) -> tuple[h11.Response, h11.Connection]:
    reader, writer = opened
    connection = h11.Connection(h11.CLIENT)
    for part in (_request(target, message), h11.Data(message.body), h11.EndOfMessage()):
        writer.write(connection.send(part) or b"")
    await writer.drain()
    while not isinstance(event := await next_event(connection, reader), h11.Response):
        pass  # an interim answer
    return event, connection


async def _post_response(head: h11.Response, connection: h11.Connection, reader: asyncio.StreamReader) -> PostResponse:
    """A body that drips, breaks off or never ends changes nothing about the status."""
    headers = dict(head.headers)
    retry_after, etag = headers.get(b"retry-after"), headers.get(b"etag")
    content = bytearray()
    with suppress(TimeoutError, OSError, h11.RemoteProtocolError):
        async with asyncio.timeout(ANSWER_READ_S):
            await _read(connection, reader, content)
    header = retry_after.decode("latin-1") if retry_after else None
    tag = etag.decode("latin-1")[:ETAG_CHARS_MAX] if etag else None
    return PostResponse(head.status_code, header, bytes(content[:ANSWER_BYTES_MAX]), tag)


async def _read(connection: h11.Connection, reader: asyncio.StreamReader, into: bytearray) -> None:
    while isinstance(event := await next_event(connection, reader), h11.Data):
        into += event.data
        if len(into) >= ANSWER_BYTES_MAX:
            return


def _request(target: HttpTarget, message: _Message) -> h11.Request:
    own = {
        "Host": target.authority,
        "User-Agent": _USER_AGENT,
        "Accept-Encoding": "identity",
        "Content-Length": str(len(message.body)),
        "Connection": "close",
    }
    headers = list((own | dict(message.headers)).items())
    return h11.Request(method=message.method, target=target.request_path, headers=headers)
