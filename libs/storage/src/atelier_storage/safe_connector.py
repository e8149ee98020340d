"""Connects to hosts that clients name, without opening our own network to them (SSRF): the name is resolved once, every
address must be public, and the connection goes to one of those addresses.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from ipaddress import ip_address

import h11

from atelier_storage.ca_bundle import ca_bundle_path
from atelier_storage.ip_policy import IPAddress, parse_address
from atelier_storage.url_policy import HttpTarget, UrlRefusal, refuse_address, refuse_target

ADDRESSES_TRIED_MAX = 4
_READ_BYTES = 64 * 1024
_UNKNOWN_NAME = frozenset({socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)})

Resolver = Callable[[str, int], Awaitable[list[IPAddress]]]
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class SafeConnector:
    """Opens connections to targets that clients name; ``threads`` names are resolved at once."""

    def __init__(self, *, connect_timeout_s: float, threads: int, resolve: Resolver | None = None) -> None:
        self._connect_timeout_s = connect_timeout_s
        self._resolve = resolve or self._resolve_by_system
        # A pool of our own: names that hang must not use up the threads of the default resolver.
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="resolve")

    async def open(self, target: HttpTarget, *, allow_hosts: frozenset[str]) -> Connection | UrlRefusal:
        """A connection, encrypted where the target says https, or why there must be none. Raises OSError."""
        addresses = await self._addresses(target, allow_hosts)
        return addresses if isinstance(addresses, UrlRefusal) else await self._connect(target, addresses)

    def close(self) -> None:
        """Releases the resolver threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _addresses(self, target: HttpTarget, allow_hosts: frozenset[str]) -> list[IPAddress] | UrlRefusal:
        refusal = refuse_target(target, allow_hosts=allow_hosts)
        if refusal is not None:
            return refusal
        literal = parse_address(target.host)
        addresses = await self._resolve(target.host, target.port) if literal is None else [literal]
        if not addresses:
            return UrlRefusal("unknown_host", "The host name is not known.")
        if target.host_and_port in allow_hosts:
            return addresses
        # One internal address among public ones is enough: the connection may take any of them.
        return next((refused for address in addresses if (refused := refuse_address(address))), addresses)

    async def _connect(self, target: HttpTarget, addresses: list[IPAddress]) -> Connection:
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

    async def _resolve_by_system(self, host: str, port: int) -> list[IPAddress]:
        def look_up() -> list[IPAddress]:
            infos = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return list(dict.fromkeys(ip_address(entry[4][0]) for entry in infos))

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, look_up)
        except socket.gaierror as error:
            if error.errno in _UNKNOWN_NAME:
                return []
            raise

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=ca_bundle_path())


async def next_event(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Event:
    """The peer's next event. Raises h11.RemoteProtocolError for what is not HTTP, or too large a head."""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Event):
            return event
        # NEED_DATA; h11 itself refuses heads past 16 KiB and an end of the stream that comes too early.
        connection.receive_data(await reader.read(_READ_BYTES))
