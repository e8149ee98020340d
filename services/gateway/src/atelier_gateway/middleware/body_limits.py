"""What bodies may cost: bytes each, bytes of all that are in memory at once, and time to arrive.

Counted as the bytes come, whatever ``Content-Length`` says. The first 64 KiB of a body cost nothing of the shared
budget, so that large bodies keep only large bodies out. What a body has taken is given back when its request ends:
until then its bytes, and what was made of them, are held.
"""

import asyncio
import time

from starlette.types import Message, Receive

from atelier_gateway.web.problems import Problem

FREE_BYTES = 64 * 1024
PATIENCE_S = 20.0
"""A body may take so long, and one second more for each ``BYTES_PER_S`` that have come."""
BYTES_PER_S = 16 * 1024


class BodyBudget:
    """Bytes that the bodies of this process may hold together."""

    def __init__(self, bytes_max: int) -> None:
        self._left = bytes_max

    def take(self, count: int) -> bool:
        """Whether so many were left; then they are taken."""
        if count > self._left:
            return False
        self._left -= count
        return True

    def give_back(self, count: int) -> None:
        """What was taken is free again."""
        self._left += count


class BodyReader:
    """Reads one request's body within its bounds."""

    def __init__(self, receive: Receive, bytes_max: int, budget: BodyBudget) -> None:
        self._receive = receive
        self._bytes_max = bytes_max
        self._budget = budget
        self._began = time.monotonic()
        self._seen = 0
        self._taken = 0
        self._is_complete = False

    async def receive(self) -> Message:
        """The next message. Raises Problem 408, 413 or 503. Once the body is complete it waits without a bound: what is
        awaited then is that the client goes."""
        message = await (self._receive() if self._is_complete else self._within_patience())
        if message["type"] != "http.request":
            return message
        self._is_complete = not message.get("more_body", False)
        self._count(len(message.get("body", b"")))
        return message

    def close(self) -> None:
        """The request has ended: its bytes are gone."""
        self._budget.give_back(self._taken)
        self._taken = 0

    async def _within_patience(self) -> Message:
        left_s = self._began + PATIENCE_S + self._seen / BYTES_PER_S - time.monotonic()
        try:
            async with asyncio.timeout(left_s):
                return await self._receive()
        except TimeoutError:
            detail = f"The body came too slowly: {self._seen} bytes in {time.monotonic() - self._began:.0f} seconds."
            raise Problem("request_timeout", detail, headers={"Connection": "close"}) from None

    def _count(self, length: int) -> None:
        self._seen += length
        if self._seen > self._bytes_max:
            raise Problem("request_too_large", f"A body has at most {self._bytes_max} bytes here.")
        wanted = max(0, self._seen - FREE_BYTES) - self._taken
        if wanted > 0 and not self._budget.take(wanted):
            detail = "Too many large bodies are being read at once; nothing was started, send it again."
            raise Problem("unavailable", detail, headers={"Retry-After": "2", "Connection": "close"})
        self._taken += max(0, wanted)
