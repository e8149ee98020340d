"""Replicate's predictions, by its SDK: create, look, cancel, and files as inputs.

The SDK repeats what is answered 429, 503 or 504 up to ten times, and sleeps as long as a Retry-After says; its errors
carry no headers, and an upload has no time limit. Our transport sends each request once, and raises errors of its own.
"""

import asyncio
import base64
import io
from collections.abc import Mapping
from typing import Any

from replicate.client import Client

from atelier_render.providers.protocol import Failed, ProviderOutcome
from atelier_render.providers.replicate.errors import outcome_of, outcome_of_failure
from atelier_render.providers.toolkit.api_connection import (
    KEY_HEADER,
    ApiAnswer,
    ApiConnection,
    ErrorAnswer,
    NoAnswer,
    NotSent,
    SdkTransport,
)
from atelier_render.providers.toolkit.file_checks import EXTENSIONS, type_of
from atelier_render.providers.toolkit.http_client import AnswerTooLarge
from atelier_render.providers.toolkit.request_queue import (
    SAID_BY_A_PROXY,
    UNREADABLE,
    Ended,
    QueuedRequest,
    Running,
)
from atelier_render.usage import Usage, thousandths_of

DATA_URI_BYTES_MAX = 256 * 1024
"""Larger inputs are uploaded, as Replicate asks for; it keeps them for a day."""
UNDER_WAY = frozenset({"starting", "processing"})
ANY_HOST = "https://replicate.invalid"
"""The SDK wants an address; the transport knows the real one."""


class ReplicateQueue:
    """Speaks to the API at the connection's address."""

    title = "Replicate"

    def __init__(self, key: str, connection: ApiConnection) -> None:
        self._key = key
        self._connection = connection
        self._transport = SdkTransport(connection)

    async def submit(self, request: QueuedRequest) -> str:
        """Creates the prediction; its id."""
        arguments = {**request.arguments, **{name: await self._input(data) for name, data in request.files.items()}}
        sdk = self._sdk({KEY_HEADER: request.key})
        prediction = await sdk.models.predictions.async_create(model=request.endpoint, input=arguments)
        if not prediction.id:
            raise ValueError("no id")
        return str(prediction.id)

    async def look(self, request: QueuedRequest, request_id: str) -> Running | Ended:  # noqa: ARG002 - the protocol's
        """Its status and, once it has ended, its output."""
        # Not by the SDK: it takes a status that it does not know, such as "aborted", for a broken answer.
        headers = {"authorization": f"Bearer {self._key}", "accept": "application/json"}
        answer = await self._connection.send("GET", f"/v1/predictions/{request_id}", headers=headers)
        body = answer.json()
        if not isinstance(body, Mapping):
            raise ValueError("no prediction")
        return Running() if body.get("status") in UNDER_WAY else _ended(body)

    async def cancel(self, request: QueuedRequest, request_id: str) -> None:  # noqa: ARG002 - the protocol's
        """Stops it; what it has computed is billed."""
        await self._sdk().predictions.async_cancel(request_id)

    def outcome_of(self, answer: ApiAnswer) -> ProviderOutcome:
        """Of a submission."""
        return outcome_of(answer)

    async def close(self) -> None:
        """Lets the connections go."""
        await self._connection.close()

    def _sdk(self, headers: Mapping[str, str] | None = None) -> Client:
        """The SDK's client with headers of one request, for which its calls have no parameter. It holds no connection,
        and writes into the headers that it is given."""
        return Client(
            self._key, base_url=ANY_HOST, transport=self._transport, headers=dict(headers or {}), trust_env=False
        )

    async def _input(self, data: bytes | tuple[bytes, ...]) -> str | list[str]:
        if isinstance(data, tuple):
            return [await self._uri(each) for each in data]
        return await self._uri(data)

    async def _uri(self, data: bytes) -> str:
        content_type = type_of(data) or "application/octet-stream"
        if len(data) <= DATA_URI_BYTES_MAX:
            text = await asyncio.to_thread(base64.b64encode, data)
            return f"data:{content_type};base64,{text.decode()}"
        name = f"input.{EXTENSIONS.get(content_type, 'bin')}"
        try:
            file = await self._sdk().files.async_create(io.BytesIO(data), filename=name, content_type=content_type)
            return str(file.urls["get"])
        except (NoAnswer, AnswerTooLarge, *UNREADABLE) as error:
            raise NotSent from error  # the prediction has not been created: it is certain that nothing is made
        except ErrorAnswer as error:
            if error.answer.status in SAID_BY_A_PROXY:
                raise NotSent from error
            raise


def _ended(body: Mapping[str, Any]) -> Ended:
    metrics = body.get("metrics")
    seconds = metrics.get("predict_time") if isinstance(metrics, Mapping) else None
    milliseconds = thousandths_of(seconds)
    output = body.get("output")
    url = output[0] if isinstance(output, list) and output else output
    made = body.get("status") == "succeeded" and isinstance(url, str) and bool(url)
    usage = Usage(outputs=1 if made else 0, milliseconds=milliseconds or 0)
    return Ended(str(url) if made else _without_output(body), usage, milliseconds is not None)


def _without_output(body: Mapping[str, Any]) -> Any:
    match body.get("status"):
        case "failed":
            return outcome_of_failure(body.get("error"))
        case "succeeded" if body.get("data_removed"):
            return Failed("provider_failed", "Replicate has removed the output already")
        case "succeeded":
            return Failed("provider_failed", "Replicate's answer could not be understood")
        case status:
            return Failed("provider_failed", f"Replicate says of the prediction: {str(status)[:40]}")
