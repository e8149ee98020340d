"""A TCP link that can be frozen or cut, as networks do, between the gateway under test and what it talks to."""

import asyncio
from contextlib import suppress
from urllib.parse import urlsplit

CHUNK = 65_536


class Link:
    """Forwards a local port to the server of a URL."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._passing = asyncio.Event()
        self._passing.set()
        self._refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._marker: bytes | None = None
        self._stays_cut = False
        self.lost_commits = 0

    async def open(self) -> str:
        """Starts; answers the URL that leads through this link."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        user, at, _ = self._target.netloc.rpartition("@")
        return self._target._replace(netloc=f"{user}{at}127.0.0.1:{port}").geturl()

    def freeze(self) -> None:
        """Nothing passes any more, and both sides keep their connection."""
        self._passing.clear()

    def thaw(self) -> None:
        """What was held back passes on."""
        self._passing.set()

    def cut(self) -> None:
        """Every connection breaks and new ones are refused."""
        self._refusing = True
        for writer in self._writers:
            writer.close()

    def mend(self) -> None:
        """New connections pass again."""
        self._refusing = False

    def lose_the_commit_after(self, marker: bytes, *, stays_cut: bool = False) -> None:
        """The connection that carries these bytes breaks after what commits them has reached the server: its next
        COMMIT, or outside a transaction the statement itself. With ``stays_cut`` new ones are refused from then on."""
        self._marker, self._stays_cut = marker, stays_cut

    async def close(self) -> None:
        """Ends."""
        self.cut()
        self.thaw()
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._refusing:
            writer.close()
            return
        there_reader, there = await asyncio.open_connection(self._target.hostname, self._target.port)
        self._writers |= {writer, there}
        await asyncio.gather(self._pump(reader, there, upward=True), self._pump(there_reader, writer, upward=False))
        self._writers -= {writer, there}

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, upward: bool) -> None:
        marked = is_open = False
        with suppress(OSError):
            while data := await reader.read(CHUNK):
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
                if upward and self._marker is not None:
                    marked = marked or self._marker in data
                    is_open = b"BEGIN" in data or (is_open and b"COMMIT" not in data and b"ROLLBACK" not in data)
                    if marked and not is_open:
                        self._marker = None
                        self.lost_commits += 1
                        # The server acts on it; the answer finds nobody. `cut` for the other direction too.
                        self.cut()
                        if not self._stays_cut:
                            self.mend()
                        return
        writer.close()
