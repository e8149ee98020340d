"""The tasks of Black Forest Labs, over plain HTTP: they have no SDK. Submit, and poll where the answer says.

A task lives in one region, whose host its polling URL names. The key goes there only if the host is theirs.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from urllib.parse import quote, urlsplit

from atelier_render.providers.bfl.errors import ENDS, outcome_of
from atelier_render.providers.protocol import Failed, ProviderOutcome
from atelier_render.providers.toolkit.api_connection import KEY_HEADER, ApiAnswer, ApiConnection
from atelier_render.providers.toolkit.output_files import origin_of
from atelier_render.providers.toolkit.request_queue import Ended, QueuedRequest, Running
from atelier_render.usage import Usage, thousandths_of

THEIR_DOMAIN = ".bfl.ai"
_AT = "@"
"""Parts the id of a task from the host of its region, where that is another than the configured one."""


class BflQueue:
    """Speaks to the API at the connection's address, and to its regions."""

    title = "Black Forest Labs"

    def __init__(self, key: str, connection: ApiConnection, *, answer_s_max: float) -> None:
        self._headers = {"x-key": key, "accept": "application/json", "content-type": "application/json"}
        self._connection = connection
        self._answer_s_max = answer_s_max
        self._regions: dict[str, ApiConnection] = {}

    async def submit(self, request: QueuedRequest) -> str:
        """Submits the task; its id, with the host of its region."""
        content = await asyncio.to_thread(_body, request)
        headers = self._headers | {KEY_HEADER: request.key}
        body = (await self._connection.send("POST", request.endpoint, headers=headers, content=content)).json()
        task, url = (body.get("id"), body.get("polling_url")) if isinstance(body, Mapping) else (None, None)
        if not isinstance(task, str) or not task or _AT in task:
            raise ValueError("no id")
        host = urlsplit(url).hostname if isinstance(url, str) else None
        return f"{task}{_AT}{host}" if self._is_region(host) else task

    async def look(self, request: QueuedRequest, request_id: str) -> Running | Ended:  # noqa: ARG002 - the protocol's
        """Its status and, once it is ready, where its picture lies: for ten minutes."""
        task, _, host = request_id.partition(_AT)
        path = f"/v1/get_result?id={quote(task, safe='')}"
        answer = await self._region(host).send("GET", path, headers=self._headers)
        body = answer.json()
        if not isinstance(body, Mapping):
            raise ValueError("no task")
        return _state_of(body)

    async def cancel(self, request: QueuedRequest, request_id: str) -> None:
        """Nothing: the API has no way to stop a task."""

    def outcome_of(self, answer: ApiAnswer) -> ProviderOutcome:
        """Of a submission."""
        return outcome_of(answer)

    async def close(self) -> None:
        """Lets the connections go."""
        for connection in (self._connection, *self._regions.values()):
            await connection.close()

    def _is_region(self, host: str | None) -> bool:
        own = origin_of(self._connection.base_url).rpartition(":")[0]
        return host is not None and host != own and host.endswith(THEIR_DOMAIN) and own.endswith(THEIR_DOMAIN)

    def _region(self, host: str) -> ApiConnection:
        if not self._is_region(host or None):
            return self._connection
        if host not in self._regions:
            self._regions[host] = ApiConnection(f"https://{host}", answer_s_max=self._answer_s_max)
        return self._regions[host]


def _body(request: QueuedRequest) -> bytes:
    files = {
        name: base64.b64encode(data).decode() for name, data in request.files.items() if not isinstance(data, tuple)
    }
    return json.dumps({**request.arguments, **files}).encode()


def _state_of(body: Mapping[str, object]) -> Running | Ended:
    status, result = body.get("status"), body.get("result")
    credits = thousandths_of(body.get("cost"))
    if status == "Ready":
        url = result.get("sample") if isinstance(result, Mapping) else None
        usage = Usage(outputs=1 if url else 0, milliunits=credits or 0)
        if not isinstance(url, str) or not url:
            misunderstood = Failed("provider_failed", "the answer of Black Forest Labs could not be understood")
            return Ended(misunderstood, usage, credits is not None)
        return Ended(url, usage, credits is not None)
    ended = ENDS.get(str(status))
    if ended is None:
        return Running()
    return Ended(ended, Usage(milliunits=credits or 0), credits is not None)
