"""One signed request to a worker and its answer: bounded in time and size, and told apart by whether the request may
have been received, because what may have been received may have been made.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import quote

import httpx
from opentelemetry.propagate import inject

from atelier_render.providers.worker_http.configuration import WorkerConfiguration
from atelier_render.providers.worker_http.signatures import Act, Signer

METHODS: dict[Act, str] = {"submit": "POST", "poll": "GET", "cancel": "DELETE"}
RETRY_AFTER_S_DEFAULT = 5.0
RETRY_AFTER_S_MAX = 3_600.0
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


class Line:
    """The way to one worker."""

    def __init__(self, worker: WorkerConfiguration) -> None:
        self._worker = worker
        self._signer = Signer(worker.secrets)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(worker.answer_s, connect=worker.connect_s),
            # None is kept: one that the worker has just closed would make a lost answer out of nothing.
            limits=httpx.Limits(max_connections=worker.connections_max, max_keepalive_connections=0),
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
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout):
            return Unreached()
        except (httpx.TransportError, TimeoutError):
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

    async def _read(self, response: httpx.Response) -> Reply | Overlong:
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            return Overlong()
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += chunk
            if len(body) > self._worker.answer_bytes_max:
                return Overlong()
        asked = response.headers.get("retry-after")
        return Reply(response.status_code, bytes(body), None if asked is None else _seconds(asked, datetime.now(UTC)))


def _seconds(retry_after: str, now: datetime) -> float:
    """Of a Retry-After header, which is a number of seconds or a date (RFC 9110, 10.2.3); never more than an hour."""
    try:
        wanted = float(retry_after) if retry_after.strip().isdigit() else _until(retry_after, now)
    except ValueError:
        return RETRY_AFTER_S_DEFAULT
    return min(max(wanted, 0.0), RETRY_AFTER_S_MAX)


def _until(date: str, now: datetime) -> float:
    then = parsedate_to_datetime(date)
    return ((then if then.tzinfo else then.replace(tzinfo=UTC)) - now).total_seconds()
