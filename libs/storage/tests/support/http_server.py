"""A server on a real socket that answers every request by a script, and a resolver with fixed answers."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address

from atelier_storage.ip_policy import IPAddress
from atelier_storage.safe_connector import Resolver

Script = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Answers every request by a script and remembers the heads it was sent."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.heads: list[str] = []
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
            await self.script(writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the fetcher hung up, as it may
        finally:
            writer.close()


@asynccontextmanager
async def run_server(script: Script | bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[Server]:
    server = Server(answer(script) if isinstance(script, bytes) else script)
    listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, ssl=tls)
    server.port = listening.sockets[0].getsockname()[1]
    yield server
    listening.close()


def answer(text: bytes) -> Script:
    async def write(writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()

    return write


def resolver_with(*addresses: str) -> tuple[Resolver, list[str]]:
    resolved_hosts: list[str] = []

    async def resolve(host: str, _port: int) -> list[IPAddress]:
        resolved_hosts.append(host)
        return [ip_address(address) for address in addresses]

    return resolve, resolved_hosts
