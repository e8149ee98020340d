"""fal's queue, by its SDK: submit, status, result, cancel.

The SDK sends a submission up to ten times where its answer is lost or slow, which makes and charges the picture as
often; and it goes to every host that an answer names. Both end at our transport: one exchange, one address.
"""

import asyncio
import base64
import json
from collections.abc import Mapping
from typing import Any

import fal_client
import httpx

from atelier_render.providers.fal.errors import FLAGGED, outcome_of, outcome_of_result
from atelier_render.providers.protocol import Failed, ProviderOutcome
from atelier_render.providers.toolkit.api_connection import (
    KEY_HEADER,
    ApiAnswer,
    ApiConnection,
    ErrorAnswer,
    SdkTransport,
)
from atelier_render.providers.toolkit.file_checks import type_of
from atelier_render.providers.toolkit.request_queue import Ended, QueuedRequest, Running
from atelier_render.usage import Usage, thousandths_of

OUTPUTS_KEPT_S = 3_600
"""How long fal keeps what was made: long enough to fetch it again after an outage."""
LIFECYCLE_HEADER, LIFECYCLE = "X-Fal-Object-Lifecycle-Preference", {"expiration_duration_seconds": OUTPUTS_KEPT_S}
UNITS_HEADER = "x-fal-billable-units"
RESULT_OPEN = frozenset({502, 503, 504})
"""Said of a result by what stands before the queue; a model's own failure comes with a request id."""
_MISUNDERSTOOD = Failed("provider_failed", "fal's answer could not be understood")


class _Client(fal_client.AsyncClient):
    """The SDK's client with a transport of ours, for which it has no parameter."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        super().__init__(key="")
        self._http = http

    @property
    async def _client(self) -> httpx.AsyncClient:
        return self._http


class FalQueue:
    """Speaks to the queue at the connection's address."""

    title = "fal"

    def __init__(self, key: str, connection: ApiConnection) -> None:
        self._headers = {"authorization": f"Key {key}", "user-agent": "atelier-render/1"}
        self._connection = connection
        self._http = httpx.AsyncClient(transport=SdkTransport(connection), headers=self._headers, trust_env=False)
        self._sdk = _Client(self._http)

    async def submit(self, request: QueuedRequest) -> str:
        """Queues it; fal's request id."""
        arguments = await asyncio.to_thread(_arguments, request)
        headers = {KEY_HEADER: request.key, LIFECYCLE_HEADER: json.dumps(LIFECYCLE)}
        handle = await self._sdk.submit(request.endpoint, arguments, headers=headers)
        if not isinstance(handle.request_id, str) or not handle.request_id:
            raise ValueError("no request id")
        return handle.request_id

    async def look(self, request: QueuedRequest, request_id: str) -> Running | Ended:
        """Its status, and its result once there is one."""
        handle = await self._sdk.get_handle(request.endpoint, request_id)
        status = await handle.status()
        if not isinstance(status, fal_client.Completed):
            return Running()
        path = httpx.URL(handle.response_url).raw_path.decode("ascii")
        try:
            # Not by the SDK: it drops the header that says what is billed.
            answer = await self._connection.send("GET", path, headers=self._headers)
        except ErrorAnswer as error:
            return _ended_badly(error.answer, said=bool(status.error or status.error_type))
        return _ended(answer, status.metrics)

    async def cancel(self, request: QueuedRequest, request_id: str) -> None:
        """Takes it out of the queue, or tells its runner to stop."""
        await self._sdk.cancel(request.endpoint, request_id)

    def outcome_of(self, answer: ApiAnswer) -> ProviderOutcome:
        """Of a submission."""
        return outcome_of(answer)

    async def close(self) -> None:
        """Lets the connections go."""
        await self._http.aclose()
        await self._connection.close()


def _arguments(request: QueuedRequest) -> dict[str, Any]:
    def uri(data: bytes) -> str:
        return f"data:{type_of(data)};base64,{base64.b64encode(data).decode()}"

    files = {
        name: [uri(each) for each in data] if isinstance(data, tuple) else uri(data)
        for name, data in request.files.items()
    }
    return {**request.arguments, **files}


def _ended(answer: ApiAnswer, metrics: Mapping[str, Any]) -> Ended:
    body = answer.json()
    images = body.get("images") if isinstance(body, Mapping) else None
    image = images[0] if isinstance(images, list) and images else None
    url = image.get("url") if isinstance(image, Mapping) else None
    usage, reported = _usage(answer, metrics, outputs=1 if url else 0)
    if not isinstance(url, str):
        return Ended(_MISUNDERSTOOD, usage, reported)
    flagged = body.get("has_nsfw_concepts") if isinstance(body, Mapping) else None
    if isinstance(flagged, list) and flagged and flagged[0] is True:
        # What lies at the URL is black.
        return Ended(FLAGGED, usage, reported)
    return Ended(url, usage, reported)


def _ended_badly(answer: ApiAnswer, *, said: bool) -> Running | Ended:
    if answer.status in RESULT_OPEN and not said and "x-fal-request-id" not in answer.headers:
        return Running()
    if answer.status in (401, 403, 404, 408, 410, 425, 429):
        raise ErrorAnswer(answer)
    usage, reported = _usage(answer, {}, outputs=0)
    return Ended(outcome_of_result(answer), usage, reported)


def _usage(answer: ApiAnswer, metrics: object, *, outputs: int) -> tuple[Usage, bool]:
    """The usage, and whether fal said what it bills."""
    said = metrics.get("inference_time") if isinstance(metrics, Mapping) else None
    units = thousandths_of(answer.headers.get(UNITS_HEADER))
    usage = Usage(outputs=outputs, milliseconds=thousandths_of(said) or 0, milliunits=units or 0)
    return usage, units is not None
