"""The outbox: messages commit with the rows that they describe and are published at once, or by the sweeper.

A row is deleted only when the broker has confirmed its message. Publishing twice is possible and harmless: the inbox of
each consumer drops the second.
"""

import asyncio
import logging
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg

from atelier_contracts import Envelope
from atelier_contracts.bundle import BUNDLE_TYPE, bundle, by_frame
from atelier_messaging import failpoints
from atelier_messaging.batcher import Batcher
from atelier_messaging.database import Connection, Pool
from atelier_messaging.publisher import OutgoingMessage, Publisher, PublishOutcome
from atelier_telemetry import metrics

WINDOW_MAX = 200
PENDING_MAX = 5_000
"""Messages waiting for direct dispatch; more are left to the sweeper, so memory stays bounded."""
SWEEP_ROWS_MAX = 500
SWEEP_EVERY_S = 2.0
SWEEP_AFTER_S = 4.0
"""Age at which the sweeper takes a row over from the process that wrote it."""
logger = logging.getLogger(__name__)

_SAVE = """
INSERT INTO outbox (id, name, headers, body, cc)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::text[], $5::text[])
"""
_DELETE = "DELETE FROM outbox WHERE id = ANY($1::uuid[])"
_POSTPONE = "UPDATE outbox SET created_at = clock_timestamp() WHERE id = ANY($1::uuid[])"
_SWEEP = """
SELECT id, name, headers, body, cc FROM outbox
WHERE created_at < now() - make_interval(secs => $1) AND NOT id = ANY($2::uuid[])
ORDER BY created_at LIMIT $3 FOR UPDATE SKIP LOCKED
"""


async def save(connection: Connection, envelopes: Sequence[Envelope]) -> None:
    """Writes the envelopes into the caller's transaction, in one statement."""
    if envelopes:
        await connection.execute(
            _SAVE,
            [envelope.id for envelope in envelopes],
            [envelope.message.name for envelope in envelopes],
            [envelope.headers for envelope in envelopes],
            [envelope.body for envelope in envelopes],
            [",".join(envelope.cc) for envelope in envelopes],
        )


class Outbox:
    """Publishes committed messages."""

    def __init__(self, pool: Pool, publisher: Publisher) -> None:
        self._pool = pool
        self._publisher = publisher
        self._in_flight: set[UUID] = set()
        self._publishes: Batcher[Envelope, PublishOutcome] = Batcher(self._publish, batch_max=WINDOW_MAX)
        self._deletes: Batcher[UUID, None] = Batcher(self._delete, batch_max=WINDOW_MAX * 4)
        self._tasks: set[asyncio.Task[Any]] = set()

    def dispatch_soon(self, envelopes: Sequence[Envelope]) -> None:
        """Publishes in the background; the sweeper publishes what is not confirmed."""
        for envelope in envelopes[: max(0, PENDING_MAX - len(self._in_flight))]:
            task = asyncio.create_task(self.dispatch(envelope))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def dispatch(self, envelope: Envelope) -> PublishOutcome:
        """Publishes one committed message and deletes its row once it is confirmed."""
        self._in_flight.add(envelope.id)
        try:
            outcome = await self._publishes.submit(envelope)
        finally:
            self._in_flight.discard(envelope.id)
        if outcome is PublishOutcome.CONFIRMED:
            task = asyncio.create_task(self._deletes.submit(envelope.id))
            self._tasks.add(task)
            task.add_done_callback(self._log_failed_delete)
        return outcome

    def _log_failed_delete(self, task: "asyncio.Task[Any]") -> None:
        """A row that could not be deleted is published again by the sweeper; the inbox absorbs it."""
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.warning("deleting a published outbox row failed, it will be published again: %r", error)

    async def _publish(self, envelopes: Sequence[Envelope]) -> Sequence[PublishOutcome]:
        frames = by_frame(envelopes)
        failpoints.reach("before_publish")
        outcomes = await self._publisher.publish([_frame(frame) for frame in frames])
        failpoints.reach("after_confirm")
        outcome_of = {e.id: outcome for frame, outcome in zip(frames, outcomes, strict=True) for e in frame}
        return [outcome_of[envelope.id] for envelope in envelopes]

    async def _delete(self, ids: Sequence[UUID]) -> Sequence[None]:
        await self._pool.execute(_DELETE, list(ids))
        return [None] * len(ids)

    async def sweep_all(self) -> None:
        """Sweeps until little is left, so that a backlog leaves as fast as the broker confirms it."""
        while await self.sweep() == SWEEP_ROWS_MAX:  # noqa: ASYNC110 - other processes add rows, too
            await asyncio.sleep(0)

    async def sweep(self) -> int:
        """Publishes the rows older than ``SWEEP_AFTER_S`` again; returns how many were confirmed."""
        if not self._publisher.is_connected:
            return 0
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_SWEEP, SWEEP_AFTER_S, list(self._in_flight), SWEEP_ROWS_MAX)
            metrics.OUTBOX_PENDING.set(len(rows))
            if not rows:
                return 0
            outcomes = await self._publisher.publish([_message_of_row(row) for row in rows])
            published = zip(rows, outcomes, strict=True)
            sent = [row["id"] for row, outcome in published if outcome is PublishOutcome.CONFIRMED]
            await connection.execute(_DELETE, sent)
            # To the end of the line: unroutable messages must not block the others.
            await connection.execute(_POSTPONE, [row["id"] for row in rows])
        metrics.OUTBOX_SWEPT.inc(len(sent))
        return len(sent)

    async def drain(self) -> None:
        """Waits for the publishes under way; for a graceful stop."""
        while self._tasks:
            await asyncio.wait(self._tasks)


def _frame(envelopes: Sequence[Envelope]) -> OutgoingMessage:
    """One message unbundled, several of one name in one frame."""
    first = envelopes[0]
    if len(envelopes) == 1:
        return OutgoingMessage(first.body.encode(), first.headers, str(first.id), first.message.name, cc=first.cc)
    return OutgoingMessage(
        bundle(envelopes), {}, str(first.id), first.message.name, cc=first.cc, content_type=BUNDLE_TYPE
    )


def _message_of_row(row: asyncpg.Record) -> OutgoingMessage:
    cc = tuple(row["cc"].split(",")) if row["cc"] else ()
    return OutgoingMessage(row["body"].encode(), row["headers"], str(row["id"]), row["name"], cc=cc)
