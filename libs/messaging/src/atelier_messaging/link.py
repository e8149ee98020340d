"""For tests and chaos: a TCP link to a server that can be cut, on one side too, frozen or taken down."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit, urlunsplit

CHUNK_BYTES = 65_536


class Link:
    """Listens on a loopback port of its own and carries every connection to the server of ``url``."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._carrying: set[asyncio.Task[None]] = set()
        self._left: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self._leaving = False
        self.said = bytearray()
        """Everything that clients sent, in order of arrival."""
        self._fatal: bytes | None = None
        self._unanswered: bytes | None = None
        self.held = asyncio.Event()
        """Set once a frozen link holds something back."""
        self._flowing = asyncio.Event()
        self._flowing.set()

    @property
    def url(self) -> str:
        """The server's address, by way of this link."""
        user, at, _ = self._parts.netloc.rpartition("@")
        return urlunsplit(self._parts._replace(netloc=f"{user}{at}127.0.0.1:{self._port}"))

    async def up(self) -> None:
        """Takes connections, on the same port as before."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """Ends every connection at once; new ones are taken."""
        for task in self._carrying:
            task.cancel()
        await asyncio.gather(*self._carrying, return_exceptions=True)

    async def cut_client_side(self) -> int:
        """Ends every connection for the client alone: the server still holds its ends, for it gets no notice. Returns
        how many it holds."""
        before = len(self._left)
        self._leaving = True
        await self.cut()
        self._leaving = False
        return len(self._left) - before

    async def wait_until_dropped(self) -> None:
        """Returns once the server has closed the connections that it was left to hold."""
        with suppress(OSError):
            for reader, _ in self._left:
                await reader.read()
        self.release()

    async def down(self) -> None:
        """Ends every connection and refuses new ones."""
        assert self._server is not None
        self._server.close()
        await self.cut()
        self.release()

    def release(self) -> None:
        """Ends what the server still holds."""
        for _, writer in self._left:
            writer.transport.abort()
        self._left.clear()

    def freeze(self) -> None:
        """What is sent no longer arrives, in either direction, and neither side learns it: a server under SIGSTOP."""
        self.held.clear()
        self._flowing.clear()

    @property
    def flows(self) -> bool:
        """False while it is frozen."""
        return self._flowing.is_set()

    def thaw(self) -> None:
        """The bytes that were held back arrive."""
        self._flowing.set()

    def lose_answer_to(self, words: bytes) -> None:
        """The next connection on which these words are sent is cut as soon as the server begins to answer them."""
        self._fatal = words

    def hold_answers_to(self, words: bytes) -> None:
        """From now on nothing comes back over a connection on which these words are sent, and the server gets all: a
        node that confirms nothing."""
        self._unanswered = words

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._carrying.add(task)
        try:
            there = await asyncio.open_connection(self._parts.hostname, self._parts.port)
            try:
                async with asyncio.TaskGroup() as both:
                    doomed, unanswered = asyncio.Event(), asyncio.Event()
                    both.create_task(self._carry(reader, there[1], doomed, unanswered))
                    both.create_task(self._carry_back(there[0], writer, doomed, unanswered))
            finally:
                if self._leaving:
                    self._left.append(there)
                else:
                    there[1].transport.abort()
        except (asyncio.CancelledError, OSError, BaseExceptionGroup):
            # The end of a connection is normal here; its user notices by itself.
            pass
        finally:
            writer.transport.abort()
            self._carrying.discard(task)

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        doomed: asyncio.Event,
        unanswered: asyncio.Event,
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            self.said += chunk
            if not self._flowing.is_set():
                self.held.set()
                await self._flowing.wait()
            if self._fatal is not None and self._fatal in chunk:
                self._fatal = None
                doomed.set()
            if self._unanswered is not None and self._unanswered in chunk:
                unanswered.set()
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError

    async def _carry_back(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        doomed: asyncio.Event,
        unanswered: asyncio.Event,
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await self._flowing.wait()
            if doomed.is_set():
                break
            if unanswered.is_set():
                continue
            writer.write(chunk)
            await writer.drain()
        raise ConnectionResetError


@asynccontextmanager
async def open_link(url: str) -> AsyncIterator[Link]:
    """A link for the length of a block."""
    link = Link(url)
    await link.up()
    try:
        yield link
    finally:
        link.thaw()
        await link.down()
