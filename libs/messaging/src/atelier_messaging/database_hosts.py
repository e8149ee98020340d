"""One database on several servers, a primary and its standbys: every connection goes to the one that takes writes.

``postgresql://user:password@a:5432,b:5432/name``. The servers are tried in turn, each within ``HOST_S_MAX`` seconds,
for one that is frozen accepts a connection and never answers. The last good one is tried first.
"""

import asyncio
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import asyncpg

from atelier_messaging.errors import is_outage

HOST_S_MAX = 5.0
WRITES = "target_session_attrs"


class DatabaseHosts:
    """Connects to the server that takes writes, of those that an address names."""

    def __init__(self, url: str) -> None:
        self._urls = urls_of(url)
        self._first = 0

    async def connect(self, *_: object, **options: Any) -> Any:
        """As ``asyncpg.connect`` with these options. With several servers it raises the last one's error when none
        takes writes."""
        if len(self._urls) == 1:
            return await asyncpg.connect(self._urls[0], **options)
        last: Exception = ConnectionError("no database server is named")
        for turn in range(len(self._urls)):
            at = (self._first + turn) % len(self._urls)
            try:
                async with asyncio.timeout(HOST_S_MAX):
                    connection = await asyncpg.connect(self._urls[at], **options)
            except Exception as error:
                if not is_outage(error):
                    raise
                last = error
            else:
                self._first = at
                return connection
        raise last


def urls_of(url: str) -> list[str]:
    """An address for each server, which demands that it takes writes; a single one as it is."""
    parts = urlsplit(url)
    user, at, hosts = parts.netloc.rpartition("@")
    if "," not in hosts:
        return [url]
    query = urlencode({WRITES: "read-write"} | dict(parse_qsl(parts.query)))
    return [parts._replace(netloc=f"{user}{at}{host}", query=query).geturl() for host in hosts.split(",")]
