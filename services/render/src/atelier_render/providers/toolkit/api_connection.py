"""Exchanges with a provider's API: each request leaves once, and its answer is whole, or known to be missing.

SDKs on httpx send by it too. Whatever they would send again by themselves, or to another host, is sent once, to the
address that was configured: an SDK's own retry of a submission makes and charges a picture twice.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx
import httpx2

from atelier_render.providers.toolkit.http_client import ANSWER_BYTES_MAX, NOTHING_SENT, client

KEY_HEADER = "Idempotency-Key"
"""None of the services that are spoken to by queue knows it; proxies and simulators may."""
_OF_THE_HOP = frozenset({"host", "content-length", "transfer-encoding", "accept-encoding", "connection"})


@dataclass(frozen=True, slots=True)
class ApiAnswer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes = field(repr=False)

    def json(self) -> object:
        """The body as JSON; None where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return None


class NotSent(Exception):
    """No connection came about: nothing was received."""


class NoAnswer(Exception):
    """The request left, and no whole answer came back in time."""


class ErrorAnswer(Exception):
    """An answer whose status is not one of success."""

    def __init__(self, answer: ApiAnswer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class ApiConnection:
    """The way to one API at ``base_url``, which has no slash at its end."""

    def __init__(self, base_url: str, *, answer_s_max: float, answer_bytes_max: int = ANSWER_BYTES_MAX) -> None:
        self.base_url = base_url
        self._answer_s_max = answer_s_max
        self._http = client(answer_s_max=answer_s_max, answer_bytes_max=answer_bytes_max)

    async def send(self, method: str, path: str, *, headers: Mapping[str, str], content: bytes = b"") -> ApiAnswer:
        """One exchange; ``path`` begins with a slash and may have a query. Raises NotSent, NoAnswer, ErrorAnswer,
        AnswerTooLarge."""
        try:
            async with asyncio.timeout(self._answer_s_max):
                said = await self._http.request(
                    method, f"{self.base_url}{path}", headers=dict(headers), content=content or None
                )
        except NOTHING_SENT as error:
            raise NotSent from error
        except (TimeoutError, httpx2.TransportError) as error:
            raise NoAnswer from error
        answer = ApiAnswer(
            said.status_code, {name.lower(): value for name, value in said.headers.items()}, said.content
        )
        if not 200 <= answer.status < 300:
            raise ErrorAnswer(answer)
        return answer

    async def close(self) -> None:
        """Lets the connections go."""
        await self._http.aclose()


class SdkTransport(httpx.AsyncBaseTransport):
    """What an SDK on httpx is given in place of a network. Its errors are not httpx's own, and an answer of failure is
    an error too: SDKs repeat what they know to be a failed exchange, and pass on what they do not know."""

    def __init__(self, connection: ApiConnection) -> None:
        self._connection = connection

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends the request's path to the connection's address, whatever host the SDK chose."""
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _OF_THE_HOP}
        answer = await self._connection.send(
            request.method, request.url.raw_path.decode("ascii"), headers=headers, content=await request.aread()
        )
        kept = {name: value for name, value in answer.headers.items() if name not in _OF_THE_HOP}
        return httpx.Response(answer.status, headers=kept, content=answer.body, request=request)
