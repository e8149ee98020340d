"""A broker node's way to the other nodes of its cluster, as a process of its own: frozen, it isolates the node.

Erlang's nodes find each other through a port mapper. This process is the node's port mapper: it registers the node
under a port of its own, at which it carries the others' connections to the node, and answers the node's questions with
ports at which it carries the node's connections to the others. ``SIGSTOP`` is then a partition in which no packet is
refused, and ``SIGCONT`` its end.

    python -m atelier_local.launcher.broker_links MAPPER FRONT INBOUND DIST    (ports)
"""

import asyncio
import sys
from contextlib import suppress

HOST = "127.0.0.1"
ALIVE, PORT_PLEASE, NAMES, PORT_RESPONSE = 120, 122, 110, 119
"""The port mapper's protocol: a node registers, asks for another, asks for all; and the answer about one."""
CHUNK_BYTES = 65_536


class BrokerLinks:
    """The links of one node."""

    def __init__(self, mapper: int, front: int, inbound: int, dist: int) -> None:
        self._mapper, self._front, self._inbound, self._dist = mapper, front, inbound, dist
        self._outbound: dict[int, int] = {}

    async def run(self) -> None:
        """Carries connections until the process ends."""
        await self._listen(self._inbound, self._dist)
        server = await asyncio.start_server(self._answer, HOST, self._front)
        await server.serve_forever()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One question to the port mapper; a registration lasts as long as its connection."""
        with suppress(OSError, asyncio.IncompleteReadError):
            request = await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
            if request[0] == ALIVE and int.from_bytes(request[1:3], "big") == self._dist:  # and not a command's node
                request = request[:1] + self._inbound.to_bytes(2, "big") + request[3:]
            there, to_mapper = await asyncio.open_connection(HOST, self._mapper)
            to_mapper.write(len(request).to_bytes(2, "big") + request)
            if request[0] in (PORT_PLEASE, NAMES):
                response = await there.read()
                # A list of names begins with the mapper's own port, and is not believed with another.
                listed = self._front.to_bytes(4, "big") + response[4:]
                writer.write(await self._redirect(response) if request[0] == PORT_PLEASE else listed)
                await writer.drain()
                to_mapper.close()
            else:
                await asyncio.gather(_carry(there, writer), _carry(reader, to_mapper))
        writer.close()

    async def _redirect(self, response: bytes) -> bytes:
        """The answer with a port of ours in the place of the other node's."""
        if len(response) < 4 or response[0] != PORT_RESPONSE or response[1] != 0:
            return response
        port = int.from_bytes(response[2:4], "big")
        if port == self._inbound:
            return response
        if port not in self._outbound:
            self._outbound[port] = await self._listen(0, port)
        return response[:2] + self._outbound[port].to_bytes(2, "big") + response[4:]

    async def _listen(self, port: int, to: int) -> int:
        async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                there, back = await asyncio.open_connection(HOST, to)
            except OSError:
                writer.close()
                return
            await asyncio.gather(_carry(reader, back), _carry(there, writer))

        server = await asyncio.start_server(accept, HOST, port)
        return int(server.sockets[0].getsockname()[1])


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """All bytes one way; the end of them too."""
    with suppress(OSError):
        while chunk := await reader.read(CHUNK_BYTES):
            writer.write(chunk)
            await writer.drain()
    with suppress(OSError):
        writer.close()


def main(words: list[str]) -> None:
    """Runs the links of one node; the words are ports."""
    mapper, front, inbound, dist = (int(word) for word in words)
    asyncio.run(BrokerLinks(mapper, front, inbound, dist).run())


if __name__ == "__main__":
    main(sys.argv[1:])
