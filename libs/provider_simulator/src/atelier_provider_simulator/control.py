"""The simulator from outside: what a test plans, and reads back, over plain HTTP."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx

from atelier_provider_simulator.plans import Behaviour, ProviderName, ReceivedRequest
from atelier_provider_simulator.providers import PROVIDERS

READY_EVERY_S = 0.05
START_S_MAX = 30.0


class Control:
    """A simulator that is running at ``url``. To be used as an asynchronous context manager."""

    openai_key = PROVIDERS["openai"].KEY
    google_key = PROVIDERS["google"].KEY

    def __init__(self, url: str) -> None:
        self.url = url
        self._http = httpx.AsyncClient(base_url=url, timeout=5.0, trust_env=False)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    @property
    def openai_url(self) -> str:
        """What an OpenAI client takes as its base URL."""
        return self.url_of("openai")

    @property
    def google_url(self) -> str:
        """What a Gemini client takes as its base URL."""
        return self.url_of("google")

    def url_of(self, provider: ProviderName) -> str:
        """What a client of the provider takes as its base URL."""
        return f"{self.url}{PROVIDERS[provider].BASE_PATH}"

    def key_of(self, provider: ProviderName) -> str:
        """The key that the provider accepts."""
        return PROVIDERS[provider].KEY

    async def plan(self, provider: ProviderName, outcome: Behaviour, **more: Any) -> None:
        """How the next requests of a provider end: see ``plans.Plan``. Raises httpx.HTTPStatusError for a wrong one."""
        body = {"provider": provider, "outcome": outcome, **more}
        (await self._http.post("/_control/plans", json=body)).raise_for_status()

    async def requests(self) -> list[ReceivedRequest]:
        """What has arrived since the last ``forget``, oldest first."""
        answer = (await self._http.get("/_control/requests")).raise_for_status()
        return [ReceivedRequest.model_validate(request) for request in answer.json()["requests"]]

    async def cancelled(self) -> list[str]:
        """Ids of the queued requests that were cancelled since the last ``forget``."""
        answer = (await self._http.get("/_control/requests")).raise_for_status()
        return list(answer.json()["cancelled"])

    async def forget(self) -> None:
        """Plans, requests and remembered answers."""
        (await self._http.delete("/_control")).raise_for_status()


def accounts_at(url: str) -> dict[str, str]:
    """The settings with which render has an account at each provider of a simulator."""
    keys = {f"ATELIER_{name.upper()}_API_KEY": provider.KEY for name, provider in PROVIDERS.items()}
    urls = {f"ATELIER_{name.upper()}_BASE_URL": f"{url}{provider.BASE_PATH}" for name, provider in PROVIDERS.items()}
    return keys | urls


@contextmanager
def run_simulator(port: int | None = None) -> Iterator[str]:
    """A simulator in a process of its own, which ends with the block; its URL. Raises RuntimeError if it does not
    start."""
    port = port or _free_port()
    command = (sys.executable, "-m", "atelier_provider_simulator", "--port", str(port), "--parent", str(os.getpid()))
    process = subprocess.Popen(command)  # noqa: S603 - our own interpreter and module
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(process, url)
        yield url
    finally:
        process.terminate()
        process.wait()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    deadline = time.monotonic() + START_S_MAX
    with httpx.Client(trust_env=False) as http:
        while process.poll() is None and time.monotonic() < deadline:
            try:
                http.get(f"{url}/_control/health").raise_for_status()
            except httpx.TransportError:
                time.sleep(READY_EVERY_S)
            else:
                return
    raise RuntimeError(f"the provider simulator did not start at {url}")
