"""The client: a method for each thing that can be done."""

import hashlib
import os
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, Self, Unpack, cast

import httpx

from atelier_client import files, models, routes
from atelier_client._sync.following import Follower
from atelier_client._sync.pages import list_all
from atelier_client._sync.transport import Transport
from atelier_client._sync.webhook_endpoints import WebhookEndpoints
from atelier_client.errors import DownloadError, UploadError
from atelier_client.events import DELETED, DELIVERING, Event
from atelier_client.retries import RetryPolicy
from atelier_client.route import Route
from atelier_client.version import USER_AGENT

TIMEOUT_S = 60.0


class Atelier:
    """The Atelier API with one credential.

    ``api_key`` is a store's key or a user's token; absent, ``ATELIER_KEY`` of the environment. ``base_url``: absent,
    ``ATELIER_URL``. ``workspace_id``: the workspace that a user acts for. ``http``: a client of your own, for proxies
    or certificates. Every method raises what ``atelier_client.errors`` lists.
    """

    def __init__(
        self,
        api_key: str | None = None,
        *,
        base_url: str | None = None,
        workspace_id: str | None = None,
        retry: RetryPolicy | None = None,
        http: httpx.Client | None = None,
    ) -> None:
        key, url = api_key or os.environ.get("ATELIER_KEY"), base_url or os.environ.get("ATELIER_URL")
        if not key or not url:
            raise ValueError("api_key and base_url are required, or ATELIER_KEY and ATELIER_URL in the environment")
        headers = {"Authorization": f"Bearer {key}", "User-Agent": USER_AGENT}
        if workspace_id:
            headers["X-Workspace-Id"] = workspace_id
        http = http or httpx.Client(timeout=TIMEOUT_S)
        self._transport = Transport(http, url, headers, retry or RetryPolicy())
        self.webhooks = WebhookEndpoints(self._transport)
        """The endpoints that are called when something ends."""

    def create(
        self,
        *,
        idempotency_key: str | None = None,
        simulate: str | None = None,
        **request: Unpack[models.GenerationRequest],
    ) -> models.Generation:
        """Starts a generation; its price is held until it has ended, and only what is delivered is charged.

        With ``charge="on_delivery"`` each output is charged when you ``download`` or ``acknowledge`` it, within
        ``delivery_window_s``; what you do not take is refunded and withdrawn.

        The same ``idempotency_key`` within 24 hours gives the same generation and one charge: name one that outlives
        your process (an order's number) to be safe across its crash. Absent, a new one covers the retries of this
        call. ``simulate`` rehearses an end where the installation's simulator is on: ``outcome=fail``.
        """
        headers = {"X-Atelier-Simulate": simulate} if simulate else {}
        created = self._transport.call(routes.CREATE_GENERATION, json=request, headers=headers, key=idempotency_key)
        return cast(models.Generation, created)

    def wait(self, generation: models.Generation | str, *, timeout_s: float | None = None) -> models.Generation:
        """The generation once it has ended, however it ended, or once its outputs can be taken, where they are charged
        on delivery: look at ``status``. Raises WaitTimeoutError.

        Takes a generation or its id, any number of times, in any process.
        """
        ended: dict[str, Any] | None = None
        with closing(self.subscribe(generation, timeout_s=timeout_s)) as events:
            for event in events:
                ended = event.data
                if event.status in (DELETED, DELIVERING):
                    return self.get(event.data["id"])  # raises where it is not there
        return cast(models.Generation, ended)

    def subscribe(self, generation: models.Generation | str, *, timeout_s: float | None = None) -> Generator[Event]:
        """Each change of the generation up to its end, over broken connections. Raises WaitTimeoutError."""
        with closing(Follower(self._transport, _id_of(generation), timeout_s).events()) as events:
            for event in events:
                yield event

    def get(self, id: str) -> models.Generation:
        """The generation as it is now."""
        return cast(models.Generation, self._transport.call(routes.GET_GENERATION, id))

    def list(
        self, *, status: str | None = None, kind: str | None = None, page_size: int | None = None
    ) -> Iterator[models.Generation]:
        """All generations, newest first, fetched page by page as you iterate."""
        query = {"status": status, "kind": kind, "limit": page_size}
        for item in list_all(self._transport, routes.LIST_GENERATIONS, query):
            yield item

    def cancel(self, id: str) -> models.Generation:
        """Stops the generation; what was delivered stays charged, the rest is returned."""
        return cast(models.Generation, self._transport.call(routes.CANCEL_GENERATION, id))

    def acknowledge(self, id: str, *, outputs: Sequence[int] | None = None) -> models.Generation:
        """Says that outputs arrived, from 0, all of them where it is absent: they are charged. For generations that are
        charged on delivery, whose outputs you got otherwise than by ``download``."""
        said = None if outputs is None else {"outputs": [*outputs]}
        return cast(models.Generation, self._transport.call(routes.ACKNOWLEDGE_DELIVERY, id, json=said))

    def delete(self, id: str) -> None:
        """Deletes an ended generation with its inputs and outputs; only its charge stays."""
        self._transport.call(routes.DELETE_GENERATION, id)

    def explain(self, id: str) -> models.GenerationTimeline:
        """The history of the generation, step by step."""
        return cast(models.GenerationTimeline, self._transport.call(routes.EXPLAIN_GENERATION, id))

    def receipt(self, id: str) -> models.Receipt:
        """The itemised charge."""
        return cast(models.Receipt, self._transport.call(routes.GET_RECEIPT, id))

    def quote(self, **request: Unpack[models.GenerationRequest]) -> models.Quote:
        """What a ``create`` with these arguments would hold."""
        return cast(models.Quote, self._transport.call(routes.CREATE_QUOTE, json=request))

    def create_client_token(self, **bounds: Unpack[models.NewClientToken]) -> models.CreatedClientToken:
        """A short-lived token for a page or an app, with a store's key: ``token`` is in this answer only."""
        return cast(models.CreatedClientToken, self._transport.call(routes.CREATE_CLIENT_TOKEN, json=bounds))

    def revoke_client_token(self, id: str) -> None:
        """Ends a client token at once."""
        self._transport.call(routes.REVOKE_CLIENT_TOKEN, id)

    def balance(self) -> models.CreditBalance:
        """The credits of the account."""
        return cast(models.CreditBalance, self._transport.call(routes.GET_CREDIT_BALANCE))

    def credit_entries(self, *, page_size: int | None = None) -> Iterator[models.CreditEntry]:
        """All postings of the account, newest first."""
        for item in list_all(self._transport, routes.LIST_CREDIT_ENTRIES, {"limit": page_size}):
            yield item

    def usage(
        self,
        since: date | datetime | None = None,
        until: date | datetime | None = None,
        *,
        by: Iterable[str] = ("day",),
        page_size: int | None = None,
    ) -> Iterator[models.UsageRow]:
        """The credits of generations from ``since`` to before ``until`` (default: this month so far), in groups of
        ``by``: day, key, kind, model. A moment needs an offset."""
        period = {"from": since and since.isoformat(), "to": until and until.isoformat()}
        query = {**period, "by": ",".join(by), "limit": page_size}
        for item in list_all(self._transport, routes.GET_USAGE, query):
            yield item

    def statement(self, month: str, *, format: Literal["jsonl", "html"] = "jsonl") -> bytes:
        """The signed statement of a month of UTC, ``2026-11``: its lines as they were signed, for
        ``docs/verify/verify_statement.py``; or the page of the same content, to read or to print.

        It is held in memory whole: about 2 kB a generation. One that broke off is asked for again.
        """
        return self._transport.read(routes.GET_STATEMENT, month, {"format": format})

    def capabilities(self) -> models.Capabilities:
        """What the installation can make, and which providers make it."""
        return cast(models.Capabilities, self._transport.call(routes.GET_CAPABILITIES))

    def upload(
        self, source: str | Path | bytes, *, filename: str | None = None, content_type: str | None = None
    ) -> models.UploadTarget:
        """Stores a picture or a text, from a path or bytes; its ``key`` then names it in ``inputs``.

        Bytes need a ``filename`` with an extension, or a ``content_type``. Raises UploadError.
        """
        file = files.read(source, filename, content_type)
        target = cast(models.UploadTarget, self._transport.call(routes.CREATE_UPLOAD, json=file.request))
        answer = self._transport.exchange(
            target["method"], target["upload_url"], content=file.content, headers=target["headers"]
        )
        if not answer.is_success:
            raise UploadError(f"{file.request['filename']}: the object store answers {answer.status_code}")
        return target

    def uploads(self, *, page_size: int | None = None) -> Iterator[models.Upload]:
        """All uploads, newest first."""
        for item in list_all(self._transport, routes.LIST_UPLOADS, {"limit": page_size}):
            yield item

    def get_upload(self, id: str) -> models.Upload:
        """An upload as it is now."""
        return cast(models.Upload, self._transport.call(routes.GET_UPLOAD, id))

    def delete_upload(self, id: str) -> None:
        """Deletes an upload; generations keep the copies that they use."""
        self._transport.call(routes.DELETE_UPLOAD, id)

    def download(self, output: models.GenerationOutput) -> bytes:
        """The bytes of an output, compared with the checksum on record. Raises DownloadError.

        Its URL is valid for 15 minutes: ``get`` the generation again for a new one. Charged on delivery, the output is
        charged when you have it.
        """
        url, headers = self._transport.address_of(output["url"])
        answer = self._transport.exchange("GET", url, content=None, headers=headers)
        if not answer.is_success:
            raise DownloadError(f"{output['key']}: the answer is {answer.status_code}")
        digest = f"sha256:{hashlib.sha256(answer.content).hexdigest()}"
        if digest != output["checksum"]:
            raise DownloadError(f"{output['key']}: got {digest}, on record is {output['checksum']}")
        return answer.content

    def request(self, method: str, path: str, *, json: Any = None, query: dict[str, Any] | None = None) -> Any:
        """Any other route of the API, with the same retries and errors; the JSON of its answer."""
        return self._transport.call(Route(method.upper(), path), json=json, query=query)

    def close(self) -> None:
        """Closes the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _id_of(generation: models.Generation | str) -> str:
    return generation if isinstance(generation, str) else generation["id"]
