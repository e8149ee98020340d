"""Sends the bytes of an output through the gateway, so that it is known whether they were all sent.

The last piece waits for leave: under the lock of the generation's row it is decided that it goes out, and afterwards
that it did. Where the connection closes before that, the output was not delivered, and can be fetched again.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from atelier_contracts import Owner
from atelier_gateway.generations.client_disconnects import WaitingClient
from atelier_gateway.generations.delivery import OutputDeliverer
from atelier_gateway.projection.handover import Transfer
from atelier_gateway.projection.store import Generation
from atelier_gateway.web.problems import Problem, not_found
from atelier_messaging import is_outage
from atelier_storage.errors import ObjectMissing, StorageUnavailable
from atelier_storage.objects import PUT_BYTES_MAX, ObjectStore
from atelier_telemetry import metrics

TRANSFERS_MAX, TRANSFERS_OF_OWNER_MAX = 64, 8
"""Outputs that one process holds in memory to send them: in all, and of one owner."""
SEND_S_MAX = 300.0
"""How long a client may take to read an output."""
PIECE_BYTES = 64 * 1024
RECORD_TRIES_MAX = 25
RECORD_PAUSE_S = 1.0
"""Seconds between tries to write a delivery down while the database is unavailable."""
logger = logging.getLogger(__name__)


class OutputTransfers:
    """The transfers of one process."""

    def __init__(self, objects: ObjectStore, deliverer: OutputDeliverer) -> None:
        self._objects = objects
        self._deliverer = deliverer
        self._under_way: Counter[Owner] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    async def respond(self, generation: Generation, number: str) -> Response:
        """The response with the bytes of an output, from 0. Raises Problem 404 for one that there is none of or that
        can no longer be taken, 503 while the object store does not answer or too much is being sent."""
        output = int(number) if number.isascii() and number.isdigit() and len(number) <= 3 else -1
        artefact, is_delivered = _find(generation, output)
        if self._under_way.total() >= TRANSFERS_MAX or self._under_way[generation.owner] >= TRANSFERS_OF_OWNER_MAX:
            raise Problem("unavailable", "Too many outputs are being fetched.", headers={"Retry-After": "1"})
        self._under_way[generation.owner] += 1
        try:
            data = await self._objects.get(artefact["key"], PUT_BYTES_MAX)
        except BaseException as error:
            self.release(generation.owner)
            if isinstance(error, ObjectMissing):
                raise not_found("output") from None
            if isinstance(error, StorageUnavailable):
                raise Problem("unavailable", "The object store does not answer; try again later.") from None
            raise
        return OutputResponse(self, generation, None if is_delivered else output, artefact, data)

    async def begin_last_piece(self, id_: UUID, output: int) -> Transfer | None:
        """Leave to send the last piece; None where the output can no longer be taken."""
        return await self._deliverer.begin_transfer(id_, output)

    def end_soon(self, id_: UUID, transfer: Transfer, *, is_sent: bool) -> "asyncio.Task[None]":
        """The last piece went out, or its client has left: a task that writes it down."""
        task = asyncio.create_task(self._end(id_, transfer, is_sent=is_sent))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _end(self, id_: UUID, transfer: Transfer, *, is_sent: bool) -> None:
        """Writes down that the output is delivered, or that its client has left. While the database is unavailable it
        is tried again; where that is in vain, the output is not charged."""
        for _ in range(RECORD_TRIES_MAX):
            try:
                return await self._deliverer.end_transfer(id_, transfer, is_sent=is_sent)
            except Exception as error:
                if not is_outage(error):
                    raise
                logger.warning("delivery of generation %s not written, retrying: %r", id_, error)
            await asyncio.sleep(RECORD_PAUSE_S)
        metrics.DELIVERIES_LOST.inc()
        logger.error("delivery of output %d of generation %s never written", transfer.output, id_)

    def release(self, owner: Owner) -> None:
        """A response is over."""
        self._under_way[owner] -= 1
        if not self._under_way[owner]:
            del self._under_way[owner]


class OutputResponse(Response):
    """The bytes of an output. ``output`` is its number where it is delivered by this response, else None."""

    def __init__(
        self,
        transfers: OutputTransfers,
        generation: Generation,
        output: int | None,
        artefact: dict[str, Any],
        data: bytes,
    ) -> None:
        name = str(artefact["key"]).rsplit("/", 1)[-1]
        super().__init__(data, media_type=str(artefact["content_type"]))
        self.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        self.headers["Cache-Control"] = "private, no-store"
        self.headers["X-Content-Type-Options"] = "nosniff"
        self._transfers = transfers
        self._generation = generation
        self._output = output

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - as ASGI has it
        """Sends it. Where it may not be finished the connection closes before its end."""
        client = WaitingClient()
        watch = asyncio.create_task(client.watch(receive))
        try:
            async with asyncio.timeout(SEND_S_MAX):
                await self._send(send, client)
        except TimeoutError:
            logger.info("sending an output of generation %s took too long, closed", self._generation.id)
        finally:
            watch.cancel()
            self._transfers.release(self._generation.owner)

    async def _send(self, send: Send, client: WaitingClient) -> None:
        *pieces, last = _pieces(bytes(self.body))
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for piece in pieces:
            if await _is_gone(client):
                return
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        if self._output is None:
            await send({"type": "http.response.body", "body": last, "more_body": False})
            return
        transfer = await self._transfers.begin_last_piece(self._generation.id, self._output)
        if transfer is None:
            return
        is_sent = False
        try:
            if not await _is_gone(client):
                await send({"type": "http.response.body", "body": last, "more_body": False})
                is_sent = True
        finally:
            # Also where this task is cancelled, by a process that stops.
            await asyncio.shield(self._transfers.end_soon(self._generation.id, transfer, is_sent=is_sent))


async def _is_gone(client: WaitingClient) -> bool:
    """Whether the connection has closed; what is in the system's buffers counts as received."""
    await asyncio.sleep(0)  # a connection that has just closed is noticed in this turn of the loop
    return client.gone.done()


def _pieces(data: bytes) -> Iterator[bytes]:
    """At least one piece; the last is not empty unless there are no bytes."""
    for begin in range(0, max(1, len(data)), PIECE_BYTES):
        yield data[begin : begin + PIECE_BYTES]


def _find(generation: Generation, output: int) -> tuple[dict[str, Any], bool]:
    """The artefact of an output, and whether it was delivered before. Raises Problem 404."""
    snapshot, handover = generation.snapshot, generation.snapshot.handover
    if snapshot.state == "delivering" and handover is not None:
        if not 0 <= output < len(handover.outputs):
            raise not_found("output")
        is_delivered = handover.has_delivered(output)
        if not is_delivered and not handover.is_open(datetime.now(UTC)):
            raise Problem("not_found", "Its outputs can no longer be taken: nothing is charged for them.")
        return handover.outputs[output], is_delivered
    # Of what was delivered in part, the outputs keep their numbers.
    numbers = [each.output for each in handover.delivered] if handover else list(range(len(snapshot.outputs)))
    by_number = dict(zip(numbers, snapshot.outputs, strict=False))
    if output not in by_number:
        raise not_found("output")
    return by_number[output], True
