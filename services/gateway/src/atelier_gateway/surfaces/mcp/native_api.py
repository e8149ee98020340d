"""The native API, called inside this process with the credential of the caller: the same checks, prices and keys."""

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.datastructures import Headers

from atelier_gateway.container import Container
from atelier_gateway.idempotency.keys import IDEMPOTENCY_KEY_HEADER
from atelier_gateway.surfaces import native
from atelier_gateway.surfaces.in_process import open_client
from atelier_gateway.web.json_bodies import id_from_path
from atelier_gateway.web.simulate_header import SIMULATE_HEADER

CREDENTIALS = ("Authorization", "X-API-Key", "X-Workspace-Id", SIMULATE_HEADER)
"""The headers of a caller that decide what a call may do."""
CALL_S_MAX = 60.0
IN_PROGRESS_TRIES = 20
IN_PROGRESS_PAUSE_S = 1.0
"""So long a repetition waits for the answer of a first try that was cut off: it can be rebuilt ten seconds later, where
the session knows the request by then."""


class CallRefused(Exception):
    """What the native API answered with an error status. ``problem`` is its body (RFC 9457)."""

    def __init__(self, problem: Mapping[str, Any]) -> None:
        super().__init__(problem.get("detail"))
        self.problem = dict(problem)


class NativeApi:
    """A client of the native routes, with the credential of its caller."""

    def __init__(self, container: Container) -> None:
        self._http = open_client(native.router(container), timeout_s=CALL_S_MAX)

    async def quote(self, caller: Headers, request: Mapping[str, Any]) -> dict[str, Any]:
        """The price of a create with this body. Raises CallRefused, Problem."""
        return await self._call(caller, "POST", "/v1/quotes", request)

    async def create(self, caller: Headers, request: Mapping[str, Any], key: str) -> dict[str, Any]:
        """The generation of this key. While another request with the key is under way, its answer is awaited.

        Raises CallRefused, Problem.
        """
        for _ in range(IN_PROGRESS_TRIES):
            try:
                return await self._call(caller, "POST", "/v1/generations", request, key)
            except CallRefused as error:
                if error.problem.get("code") != "request_in_progress":
                    raise
                await asyncio.sleep(IN_PROGRESS_PAUSE_S)
        return await self._call(caller, "POST", "/v1/generations", request, key)

    async def get(self, caller: Headers, id_: str) -> dict[str, Any]:
        """The generation as it is now. Raises CallRefused, Problem."""
        return await self._call(caller, "GET", _path_of(id_))

    async def get_receipt(self, caller: Headers, id_: str) -> dict[str, Any]:
        """The receipt of a generation. Raises CallRefused, Problem."""
        return await self._call(caller, "GET", f"{_path_of(id_)}/receipt")

    async def cancel(self, caller: Headers, id_: str) -> dict[str, Any]:
        """The generation after it was cancelled, or while it is. Raises CallRefused, Problem."""
        return await self._call(caller, "POST", f"{_path_of(id_)}/cancel", {})

    async def _call(
        self, caller: Headers, method: str, path: str, body: Mapping[str, Any] | None = None, key: str | None = None
    ) -> dict[str, Any]:
        headers = {name: caller[name] for name in CREDENTIALS if name in caller}
        headers |= {IDEMPOTENCY_KEY_HEADER: key} if key else {}
        response = await self._http.request(method, path, json=body, headers=headers)
        value: dict[str, Any] = response.json()
        if response.is_error:
            raise CallRefused(value)
        return value


def _path_of(id_: str) -> str:
    """Raises Problem 404 for what is no id at all."""
    return f"/v1/generations/{id_from_path(id_, 'generation')}"
