"""One signed request to a worker and its answer: bounded in time and size, and distinguished by whether the request may
have been received, because what may have been received may have been made.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import quote

import httpx2
from opentelemetry.propagate import inject

from atelier_render.providers.toolkit.http_client import NOTHING_SENT, seconds
from atelier_render.providers.worker_http.configuration import WorkerConfiguration
from atelier_render.providers.worker_http.signatures import Act, Signer

METHODS: dict[Act, str] = {"submit": "POST", "poll": "GET", "cancel": "DELETE"}
RETRY_AFTER_S_DEFAULT = 5.0
USER_AGENT = "atelier-render/1"


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole answer."""

    status: int
    body: bytes = field(repr=False)
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class Unreached:
    """No connection came about: nothing was received."""


@dataclass(frozen=True, slots=True)
class Unanswered:
    """The request left; no whole answer came back."""


@dataclass(frozen=True, slots=True)
class Overlong:
    """The answer is larger than this worker may answer, or compressed, which could unfold to any size."""


class WorkerClient:
    """The way to one worker."""

    def __init__(self, worker: WorkerConfiguration) -> None:
        self._worker = worker
        self._signer = Signer(worker.secrets)
        self._client = httpx2.AsyncClient(
            timeout=httpx2.Timeout(worker.answer_s, connect=worker.connect_s),
            # None is kept: one that the worker has just closed would make a lost answer out of nothing.
            limits=httpx2.Limits(max_connections=worker.connections_max, max_keepalive_connections=0),
            follow_redirects=False,
            trust_env=False,
        )

    async def ask(self, act: Act, key: str, body: bytes = b"") -> Reply | Unreached | Unanswered | Overlong:
        """Sends one request; takes ``answer_s`` seconds at most."""
        url = f"{self._worker.url}/jobs" + ("" if act == "submit" else f"/{quote(key, safe='')}")
        try:
            async with (
                asyncio.timeout(self._worker.answer_s),
                self._client.stream(METHODS[act], url, content=body, headers=self._headers(act, key, body)) as response,
            ):
                return await self._read(response)
        except NOTHING_SENT:
            return Unreached()
        except (httpx2.TransportError, TimeoutError):
            return Unanswered()

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._client.aclose()

    def _headers(self, act: Act, key: str, body: bytes) -> dict[str, str]:
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"}
        if act == "submit":
            headers |= {"Content-Type": "application/json", "Idempotency-Key": key}
        inject(headers)
        return headers | self._signer.headers(act, key, body, now=datetime.now(UTC))

    async def _read(self, response: httpx2.Response) -> Reply | Overlong:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            return Overlong()
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._worker.answer_bytes_max:
                return Overlong()
        wait_s = seconds(response.headers.get("retry-after"), now=datetime.now(UTC))
        return Reply(response.status_code, bytes(body), wait_s)
