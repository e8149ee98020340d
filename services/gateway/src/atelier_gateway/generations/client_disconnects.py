"""Clients that wait for an answer: whether one is still connected, and the end of its generation when it is not.

Without an Idempotency-Key the waiting connection is the only way to the result. When it closes first, one commit
cancels the generation (cause ``client_gone``) and keeps it for the client's automatic retry, should it be past
cancelling. If this process dies before that commit, the generation runs to its own end or deadline.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from atelier_contracts import CancelRequested
from atelier_gateway.generations import undelivered_results
from atelier_gateway.generations.delivery import OutputDeliverer
from atelier_gateway.generations.undelivered_results import RequestIdentity
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.snapshot import TERMINAL
from atelier_gateway.projection.store import Generation
from atelier_gateway.projection.waiter import GenerationWaiter
from atelier_gateway.web.problems import Problem
from atelier_messaging import UnitOfWork, is_outage
from atelier_telemetry import metrics

RETRY_COUNT = "x-stainless-retry-count"
"""How the SDKs that Stainless generates (OpenAI's among them) mark an automatic retry: 0 for the first try."""
CANCEL_TRIES_MAX = 30
CANCEL_PAUSE_S = 1.0
"""Seconds between tries to save a cancel while the database is unavailable."""
CHUNK_BYTES = 64 * 1024
"""An answer is sent in pieces, so that a connection that closes in the middle of it is noticed."""
logger = logging.getLogger(__name__)


class WaitingClient:
    """One waiting client. ``gone`` is done as soon as its connection has closed before the end of its answer."""

    def __init__(self, same: RequestIdentity | None = None, *, keyed: bool = False) -> None:
        """``same``: what recognises its automatic retry, where the surface has one. ``keyed``: it needs none."""
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.identity = same
        self.has_key = keyed
        self.is_charged_on_delivery = False
        self.generation_id: UUID | None = None
        """What it waits for, once that exists."""
        self.response: MonitoredResponse | MonitoredStream | None = None

    def raise_if_gone(self) -> None:
        """Raises ClientDisconnect when it is gone."""
        if self.gone.done():
            raise ClientDisconnect

    async def watch(self, receive: Receive) -> None:
        """Until its connection closes. Only for a request whose body has been read whole."""
        while (await receive())["type"] != "http.disconnect":
            pass
        if not self.gone.done():
            self.gone.set_result(None)


class ClientDisconnects:
    """Watches the connections of waiting clients, and cancels what their owners cannot get any more."""

    def __init__(self, work: UnitOfWork, waiting: GenerationWaiter, deliverer: OutputDeliverer) -> None:
        self._work = work
        self._waiting = waiting
        self._deliverer = deliverer

    @asynccontextmanager
    async def watch(
        self, request: Request, *, key: str | None, same: RequestIdentity | None = None
    ) -> AsyncIterator[WaitingClient]:
        """The client of a request whose body has been read; with an Idempotency-Key it can be gone and come back.

        Raises ClientDisconnect, its generation cancelled, when the block does because the client is gone. Where the
        block fails because a service of ours is unavailable, its client does not get the result either.
        """
        if key is not None:
            yield WaitingClient(keyed=True)
            return
        caller = WaitingClient(same)
        watch = asyncio.create_task(caller.watch(request.receive))
        try:
            yield caller
        except Exception as error:
            if isinstance(error, ClientDisconnect) or is_outage(error):
                await self.cancel_abandoned(caller)
            raise
        finally:
            if caller.response is None:
                watch.cancel()
            else:
                caller.response.watch = watch

    def monitor_response(self, caller: WaitingClient, response: Response) -> Response:
        """The response, which keeps the result for a retry if the client is gone before it is sent whole."""
        caller.response = MonitoredResponse(self, caller, response)
        return caller.response

    async def cancel_abandoned(self, caller: WaitingClient) -> None:
        """Cancels what the client waited for, and keeps it for a retry in case it is being captured already; nothing of
        that for a client with a key, which can come back for its answer. Where the cancel cannot be written in all its
        tries, an error names the generation: it runs on, for a client that does not get it."""
        if caller.generation_id is None or caller.has_key:
            return
        for _ in range(CANCEL_TRIES_MAX):
            try:
                return await self._cancel(caller.generation_id, caller)
            except Problem:
                return  # an output is being sent to it by another way: it is not gone
            except Exception as error:
                if not is_outage(error):
                    raise
                logger.warning("cancel of generation %s not written, retrying: %r", caller.generation_id, error)
            await asyncio.sleep(CANCEL_PAUSE_S)
        metrics.CANCELS_LOST.inc()
        logger.error("cancel of generation %s never written, it runs on without a client", caller.generation_id)

    async def cancel_and_wait(self, caller: WaitingClient, timeout_s: float) -> None:
        """Cancels what a client waits for that is still there; returns once that has ended, or after ``timeout_s``."""
        assert caller.generation_id is not None, "only a generation can be cancelled"
        await self._cancel(caller.generation_id, caller, keep=False)
        await self._waiting.wait_until_ended(caller.generation_id, timeout_s, even_when_stopping=True)

    def monitor_stream(self, caller: WaitingClient, events: AsyncGenerator[bytes]) -> Response:
        """The events as a response, which cancels what is waited for if the client is gone before their end."""
        caller.response = MonitoredStream(self, caller, events)
        return caller.response

    async def find_undelivered(
        self, request: Request, caller: WaitingClient, timeout_s: float, *, streamed: bool = False
    ) -> Generation | None:
        """For an automatic retry: the result that its client was gone for, if there is one. A stream that broke off is
        not retried by clients themselves: where it is ``streamed``, any equal request counts.

        Raises ClientDisconnect, or TimeoutError while it is not known yet whether there is one.
        """
        if caller.identity is None or not (streamed or is_retry(request)):
            return None
        while (id_ := await undelivered_results.take(self._work.pool, caller.identity)) is not None:
            caller.generation_id = id_
            if await self._waiting.wait_until_ended(id_, timeout_s, caller) is None:
                await self.cancel_abandoned(caller)
                raise TimeoutError
            generation = await projection_store.find_for_owner(self._work.pool, id_, caller.identity.owner)
            if generation and generation.snapshot.rank == TERMINAL and generation.snapshot.state == "succeeded":
                return generation
        caller.generation_id = None
        return None

    async def _cancel(self, id_: UUID, caller: WaitingClient, *, keep: bool = True) -> None:
        """Raises Problem while an output is being sent, of a generation that is charged on delivery."""
        async with self._work.once() as work:
            if caller.identity is not None and keep:
                await undelivered_results.insert(work.connection, id_, caller.identity)
            delivered = await self._deliverer.close(work, id_) if caller.is_charged_on_delivery else ()
            cancel = CancelRequested(generation_id=id_, cause="client_gone", delivered=delivered)
            work.emit(await unconfirmed_store.insert(work.connection, cancel))


class MonitoredResponse(Response):
    """A response that knows whether its client was gone before the last byte of it was handed over."""

    def __init__(self, callers: ClientDisconnects, caller: WaitingClient, response: Response) -> None:
        super().__init__(response.body, response.status_code, media_type=response.media_type)
        self.raw_headers = list(response.raw_headers)
        self.watch: asyncio.Task[None] | None = None
        self._callers = callers
        self._caller = caller

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Sends it."""
        try:
            if not await self._send_body(send):
                await self._callers.cancel_abandoned(self._caller)
        finally:
            if self.watch is not None:
                self.watch.cancel()

    async def _send_body(self, send: Send) -> bool:
        """Whether the client was connected until the last piece; what is in the system's buffers counts as received."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        body, sent = bytes(self.body), 0
        while True:
            await asyncio.sleep(0)  # a connection that has just closed is noticed in this turn of the loop
            if self._caller.gone.done():
                return False
            piece = body[sent : sent + CHUNK_BYTES]
            sent += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": sent < len(body)})
            if sent >= len(body):
                return True


class MonitoredStream(Response):
    """Server-sent events as they come. A client that is gone before the last one does not get the result: what it waits
    for is cancelled, and kept in case it is being captured already."""

    def __init__(self, callers: ClientDisconnects, caller: WaitingClient, events: AsyncGenerator[bytes]) -> None:
        super().__init__(media_type="text/event-stream", headers={"Cache-Control": "no-store"})
        del self.headers["content-length"]
        self.watch: asyncio.Task[None] | None = None
        self._callers = callers
        self._caller = caller
        self._events = events

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Sends them."""
        is_whole = False
        try:
            is_whole = await self._send_events(send)
        except ClientDisconnect:
            logger.info("the client of %s left before the end of its stream", self._caller.generation_id)
        finally:
            await self._events.aclose()
            if self.watch is not None:
                self.watch.cancel()
            if not is_whole:
                await self._callers.cancel_abandoned(self._caller)

    async def _send_events(self, send: Send) -> bool:
        """Whether the client was connected until the last piece; what is in the system's buffers counts as received."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async for event in self._events:
            for begin in range(0, len(event), CHUNK_BYTES):
                await asyncio.sleep(0)  # a connection that has just closed is noticed in this turn of the loop
                self._caller.raise_if_gone()
                piece = event[begin : begin + CHUNK_BYTES]
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
        return True


def is_retry(request: Request) -> bool:
    """Whether the client sends it again by itself, as OpenAI's and other generated clients say in a header."""
    count = request.headers.get(RETRY_COUNT, "")
    return count.isascii() and count.isdigit() and int(count[:9]) > 0
