"""HTTP client for hosted providers: every wait ends, every answer is bounded, and it is known what was sent."""

import math
from collections.abc import AsyncIterator
from datetime import datetime
from email.utils import parsedate_to_datetime

import httpx2

from atelier_render.providers.protocol import Transient, Unknown

CONNECT_S_MAX = 5.0
WRITE_S_MAX = 60.0
CONNECTIONS_MAX = 64
ANSWER_BYTES_MAX = 128 * 1024 * 1024
"""Of one answer; ten pictures of 4096 x 4096 as base64 are about as much."""
RETRY_AFTER_S_MAX = 3_600.0
NOTHING_SENT = (
    *(httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout),
    *(httpx2.ProxyError, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError),
)
"""What can only happen before a request has left."""


class AnswerTooLarge(Exception):
    """More came than any answer may have; the rest was not read."""


class _BoundedBody(httpx2.AsyncByteStream):
    def __init__(self, body: httpx2.AsyncByteStream, bytes_max: int) -> None:
        self._body = body
        self._bytes_max = bytes_max

    async def __aiter__(self) -> AsyncIterator[bytes]:
        seen = 0
        async for piece in self._body:
            seen += len(piece)
            if seen > self._bytes_max:
                raise AnswerTooLarge(f"the answer is larger than {self._bytes_max} bytes")
            yield piece

    async def aclose(self) -> None:
        await self._body.aclose()


def client(*, answer_s_max: float, answer_bytes_max: int = ANSWER_BYTES_MAX) -> httpx2.AsyncClient:
    """What the SDKs send by. Follows no redirects: a key must not travel to where an answer points."""

    async def limit_body(answer: httpx2.Response) -> None:
        # Asked for without compression: a bound on what comes over the wire would say nothing about what it unpacks to.
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise AnswerTooLarge("the answer is compressed although nobody asked for that")
        assert isinstance(answer.stream, httpx2.AsyncByteStream)
        answer.stream = _BoundedBody(answer.stream, answer_bytes_max)

    return httpx2.AsyncClient(
        headers={"accept-encoding": "identity"},
        event_hooks={"response": [limit_body]},
        limits=httpx2.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX),
        timeout=httpx2.Timeout(answer_s_max, connect=CONNECT_S_MAX, write=WRITE_S_MAX, pool=CONNECT_S_MAX),
        follow_redirects=False,
    )


def outcome_of_lost_call(error: BaseException | None) -> Transient | Unknown:
    """What a broken exchange means: nothing was made where nothing was sent, and otherwise the outcome is unknown."""
    if isinstance(error, NOTHING_SENT):
        return Transient("no connection could be made")
    return Unknown()


def seconds(word: str | None, *, now: datetime) -> float | None:
    """A ``Retry-After``, which is a number of seconds or a date, as seconds from now; None where it is neither."""
    if not word:
        return None
    try:
        return _sane(float(word))
    except ValueError:
        pass
    try:
        return _sane((parsedate_to_datetime(word) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def _sane(value: float) -> float | None:
    return None if math.isnan(value) else min(max(value, 0.0), RETRY_AFTER_S_MAX)
