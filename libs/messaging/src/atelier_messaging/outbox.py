"""The outbox: messages commit with the rows that they describe and are published at once, or by the sweeper.

A row is deleted only when the broker has confirmed its message. Publishing twice is possible and harmless: the inbox of
each consumer drops the second.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from uuid import UUID

import asyncpg
from pydantic_core import to_json

from atelier_contracts import Envelope, Message
from atelier_contracts.bundle import BUNDLE_TYPE, COUNT_HEADER, bundle, by_frame
from atelier_contracts.message import REGISTRY, headers_of, time_of
from atelier_contracts.partitions import routing_key_of
from atelier_contracts.routes import senders_of
from atelier_messaging import failpoints
from atelier_messaging.database import Connection, Pool
from atelier_messaging.message_spans import start_sending
from atelier_messaging.periodic import wait_event
from atelier_messaging.publisher import OutgoingMessage, Publisher, PublishOutcome
from atelier_messaging.writes import Write, execute
from atelier_telemetry import metrics
from atelier_telemetry.tracing import keep_failure

SOURCE_PREFIX = "atelier/"
WINDOW_MAX = 200
PENDING_MAX = 5_000
"""Messages waiting for direct dispatch; more are left to the sweeper, so memory stays bounded."""
DELETE_AFTER_S = 0.5
"""Seconds that a confirmed row waits for others, to be deleted together. What a crash leaves is published again."""
DELETE_ROWS_MAX = 800
SWEEP_ROWS_MAX = 500
SWEEP_EVERY_S = 2.0
SWEEP_AFTER_S = 4.0
"""Age at which the sweeper takes a row over from the process that wrote it."""
logger = logging.getLogger(__name__)

RoutingKeyOf = Callable[[Message], str]

_SAVE = """
INSERT INTO outbox (id, name, traceparent, headers, body, cc)
SELECT o.id, o.name, o.traceparent, o.headers::jsonb, o.body, o.cc
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[])
     AS o(id, name, traceparent, headers, body, cc)
"""
_DELETE = "DELETE FROM outbox WHERE id = ANY($1::uuid[])"
_POSTPONE = "UPDATE outbox SET created_at = clock_timestamp() WHERE id = ANY($1::uuid[])"
# Ids are time-ordered: the primary key is the line in which rows wait.
_DUE = """
SELECT id, name, traceparent, headers, body, cc FROM outbox
WHERE created_at < now() - make_interval(secs => $1) AND NOT id = ANY($2::uuid[])
ORDER BY id LIMIT $3
"""
_SWEEP = f"{_DUE} FOR UPDATE SKIP LOCKED"
_COUNT_DUE = f"SELECT count(*) FROM ({_DUE}) AS due"  # noqa: S608 - constants only


def writes_of(envelopes: Sequence[Envelope]) -> list[Write]:
    """The write that saves these envelopes in the outbox; none where there are none."""
    if not envelopes:
        return []
    columns = (
        [envelope.id for envelope in envelopes],
        [envelope.message.name for envelope in envelopes],
        [envelope.traceparent for envelope in envelopes],
        [_unusual_headers(envelope) for envelope in envelopes],
        [envelope.body for envelope in envelopes],
        [",".join(envelope.cc) for envelope in envelopes],
    )
    return [Write("outgoing", _SAVE, columns)]


async def save(connection: Connection, envelopes: Sequence[Envelope]) -> None:
    """Writes the envelopes into the caller's transaction, in one statement."""
    await execute(connection, writes_of(envelopes))


class Outbox:
    """Publishes committed messages: one task for all that wait, window by window."""

    def __init__(self, pool: Pool, publisher: Publisher, partitions: int = 1) -> None:
        self._pool = pool
        self._publisher = publisher
        self._routing_key_of = partial(routing_key_of, partitions=partitions)
        self._in_flight: set[UUID] = set()
        """Of this process: being published, or confirmed and not deleted yet. The sweeper leaves them alone."""
        self._waiting: deque[Envelope] = deque()
        self._awaited: dict[UUID, asyncio.Future[PublishOutcome]] = {}
        self._confirmed: list[UUID] = []
        self._publishing: asyncio.Task[None] | None = None
        self._deleting: asyncio.Task[None] | None = None
        self._delete_now = asyncio.Event()

    def dispatch_soon(self, envelopes: Sequence[Envelope]) -> None:
        """Publishes in the background; the sweeper publishes what is not confirmed."""
        accepted = envelopes[: max(0, PENDING_MAX - len(self._in_flight))]
        if not accepted:
            return
        self._in_flight.update(envelope.id for envelope in accepted)
        self._waiting.extend(accepted)
        if self._publishing is None or self._publishing.done():
            self._publishing = asyncio.create_task(self._publish_all())

    async def dispatch(self, envelope: Envelope) -> PublishOutcome:
        """Publishes one committed message; its row is deleted once it is confirmed."""
        outcome: asyncio.Future[PublishOutcome] = asyncio.get_running_loop().create_future()
        self._awaited[envelope.id] = outcome
        try:
            self.dispatch_soon([envelope])
            return await outcome if envelope.id in self._in_flight else PublishOutcome.UNKNOWN
        finally:
            del self._awaited[envelope.id]

    async def _publish_all(self) -> None:
        while self._waiting:
            window = [self._waiting.popleft() for _ in range(min(WINDOW_MAX, len(self._waiting)))]
            try:
                outcomes = await self._publish(window)
            except Exception:
                logger.exception("publishing %d messages failed, the sweeper publishes them", len(window))
                outcomes = [PublishOutcome.UNKNOWN] * len(window)
            for envelope, outcome in zip(window, outcomes, strict=True):
                if (awaited := self._awaited.get(envelope.id)) is not None and not awaited.done():
                    awaited.set_result(outcome)
                if outcome is PublishOutcome.CONFIRMED:
                    self._confirmed.append(envelope.id)
                else:
                    self._in_flight.discard(envelope.id)
            self._delete_soon()

    def _delete_soon(self) -> None:
        if len(self._confirmed) >= DELETE_ROWS_MAX:
            self._delete_now.set()
        if self._confirmed and (self._deleting is None or self._deleting.done()):
            self._deleting = asyncio.create_task(self._delete_confirmed())

    async def _delete_confirmed(self) -> None:
        """A row that could not be deleted is published again by the sweeper; the inbox absorbs it."""
        while self._confirmed:
            await wait_event(self._delete_now, DELETE_AFTER_S)
            self._delete_now.clear()
            ids, self._confirmed = self._confirmed, []
            try:
                await self._pool.execute(_DELETE, ids)
            except Exception as error:  # noqa: BLE001 - whatever it was, the sweeper has the rows
                logger.warning("deleting published outbox rows failed, they will be published again: %r", error)
            self._in_flight.difference_update(ids)

    async def _publish(self, envelopes: Sequence[Envelope]) -> Sequence[PublishOutcome]:
        frames = by_frame(envelopes, self._routing_key_of)
        failpoints.reach("before_publish")
        span = start_sending(envelopes)
        outcomes = await self._publisher.publish([_frame(frame, self._routing_key_of) for frame in frames])
        if failed := [outcome for outcome in outcomes if outcome is not PublishOutcome.CONFIRMED]:
            keep_failure(span, "", failed[0], "the sweeper publishes again what was not confirmed")
        span.end()
        failpoints.reach("after_confirm")
        outcome_of = {e.id: outcome for frame, outcome in zip(frames, outcomes, strict=True) for e in frame}
        return [outcome_of[envelope.id] for envelope in envelopes]

    async def sweep_all(self) -> None:
        """Sweeps until little is left, so that a backlog leaves as fast as the broker confirms it."""
        while await self.sweep() == SWEEP_ROWS_MAX:  # noqa: ASYNC110 - other processes add rows, too
            await asyncio.sleep(0)

    async def sweep(self) -> int:
        """Publishes the rows older than ``SWEEP_AFTER_S`` again; returns how many were confirmed.

        A row that cannot be read is logged, counted and kept: the next sweep tries it again.
        """
        due = (SWEEP_AFTER_S, list(self._in_flight), SWEEP_ROWS_MAX)
        if not self._publisher.is_connected:
            # Else the alert would rest just when the broker is away.
            metrics.OUTBOX_PENDING.set(await self._pool.fetchval(_COUNT_DUE, *due))
            return 0
        async with self._pool.acquire() as connection, connection.transaction():
            rows = await connection.fetch(_SWEEP, *due)
            metrics.OUTBOX_PENDING.set(len(rows))
            if not rows:
                return 0
            read = ((row["id"], _read_row(row, self._routing_key_of)) for row in rows)
            messages = {id_: message for id_, message in read if message is not None}
            outcomes = await self._publisher.publish(list(messages.values())) if messages else []
            published = zip(messages, outcomes, strict=True)
            sent = [id_ for id_, outcome in published if outcome is PublishOutcome.CONFIRMED]
            await connection.execute(_DELETE, sent)
            # Out of the line for a while: what is unroutable or cannot be read must not block the others.
            await connection.execute(_POSTPONE, [row["id"] for row in rows])
        metrics.OUTBOX_SWEPT.inc(len(sent))
        return len(sent)

    async def drain(self) -> None:
        """Waits for the publishes under way and deletes what they confirmed; for a graceful stop."""
        if self._publishing is not None:
            await asyncio.wait([self._publishing])
        if self._deleting is not None:
            self._delete_now.set()
            await asyncio.wait([self._deleting])


def _frame(envelopes: Sequence[Envelope], routing_key_of: RoutingKeyOf) -> OutgoingMessage:
    """One message unbundled, several of one routing key in one frame."""
    first = envelopes[0]
    key = routing_key_of(first.message)
    if len(envelopes) == 1:
        return OutgoingMessage(first.body.encode(), first.headers, str(first.id), key, cc=first.cc)
    count = {COUNT_HEADER: len(envelopes)}
    return OutgoingMessage(bundle(envelopes), count, str(first.id), key, cc=first.cc, content_type=BUNDLE_TYPE)


def _read_row(row: asyncpg.Record, routing_key_of: RoutingKeyOf) -> OutgoingMessage | None:
    """The message of a row; None where its name is unknown (as after a return to an older version) or it is broken."""
    try:
        return _message_of_row(row, routing_key_of)
    except (KeyError, ValueError, TypeError) as error:
        metrics.OUTBOX_UNREADABLE.inc()
        logger.error("reading outbox row %s failed, it is kept and tried again: %s, %r", row["id"], row["name"], error)
        return None


def _message_of_row(row: asyncpg.Record, routing_key_of: RoutingKeyOf) -> OutgoingMessage:
    cc = tuple(row["cc"].split(",")) if row["cc"] else ()
    body, kind = row["body"].encode(), REGISTRY[row["name"]]
    message = kind.model_validate_json(body)
    headers = headers_of(message, row["id"], _usual_source(kind), time_of(row["id"]), row["traceparent"])
    # None: all follows from the rest of the row. An earlier version wrote all of them.
    unusual = {} if row["headers"] is None else row["headers"]
    return OutgoingMessage(body, headers | unusual, str(row["id"]), routing_key_of(message), cc=cc)


def _unusual_headers(envelope: Envelope) -> str | None:
    """Those that do not follow from the rest of the row, as JSON: a row is written for each message, and hardly ever
    read."""
    if envelope.source == _usual_source(type(envelope.message)):
        return None
    return to_json({"cloudEvents:source": envelope.source}).decode()


def _usual_source(kind: type[Message]) -> str:
    return f"{SOURCE_PREFIX}{senders_of(kind)[0]}"
