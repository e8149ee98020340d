"""What the tests need of a broker and a database: an own schema, own queues, and a look at what lies in them."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.schema import CreateIndex, CreateTable
from sqlmodel import SQLModel

from atelier_contracts import CancelRequested, Envelope, wrap
from atelier_messaging import Delivery, Transaction, tables, topology
from atelier_messaging.database import Pool
from atelier_messaging.publisher import OutgoingMessage

DIALECT = PGDialect_asyncpg()  # type: ignore[no-untyped-call]
EFFECTS = "CREATE TABLE effects (position bigserial, message_id uuid NOT NULL)"
"""What the handlers of the tests write. No key forbids a second effect: only the inbox does."""


async def create_tables(pool: Pool) -> None:
    """The tables every service has, and ours."""
    for model in (tables.OutboxRow, tables.InboxRow, tables.InstallationRow):
        table = SQLModel.metadata.tables[str(model.__tablename__)]
        await pool.execute(str(CreateTable(table).compile(dialect=DIALECT)))
        for index in table.indexes:
            await pool.execute(str(CreateIndex(index).compile(dialect=DIALECT)))
    await pool.execute(EFFECTS)


def request() -> Envelope:
    """A message as another service would send it."""
    return wrap(CancelRequested(generation_id=uuid4()), source="atelier/test")


def to_outgoing(envelope: Envelope) -> OutgoingMessage:
    """A message in a frame of its own, ready for the wire."""
    return OutgoingMessage(envelope.body.encode(), envelope.headers, str(envelope.id), envelope.message.name)


@dataclass
class Recorder:
    """A handler that leaves one row for each message, and fails for those in ``failing``."""

    failing: dict[UUID, Exception] = field(default_factory=dict)
    handled: list[list[UUID]] = field(default_factory=list)
    """The messages of each call, also of those that failed."""

    async def __call__(self, tx: Transaction) -> None:
        self.handled.append([delivery.envelope.id for delivery in tx.fresh])
        for delivery in tx.fresh:
            await write_effect(tx, delivery)
            if (error := self.failing.get(delivery.envelope.id)) is not None:
                raise error

    def has_tried(self, envelope: Envelope, times: int) -> Callable[[], Awaitable[bool]]:
        """Whether it met the message that often, for ``becomes``."""

        async def look() -> bool:
            return len([batch for batch in self.handled if envelope.id in batch]) >= times

        return look


async def write_effect(tx: Transaction, delivery: Delivery) -> None:
    """The row by which a test sees that a message was handled."""
    await tx.connection.execute("INSERT INTO effects (message_id) VALUES ($1)", delivery.envelope.id)


class Server:
    """The two servers seen from outside, past everything that is tested."""

    def __init__(self, pool: Pool, channel: AbstractChannel, queue: str) -> None:
        self.pool = pool
        self.channel = channel
        self.queue = queue

    async def send(self, *envelopes: Envelope) -> None:
        """Lays messages into the queue."""
        for envelope in envelopes:
            await self.send_raw(envelope.body.encode(), envelope.headers, str(envelope.id))

    async def send_raw(
        self, body: bytes, headers: Mapping[str, Any], message_id: str, *, content_type: str = "application/json"
    ) -> None:
        """Lays anything into the queue."""
        message = aio_pika.Message(
            body,
            headers=dict(headers),
            message_id=message_id,
            content_type=content_type,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        await self.channel.default_exchange.publish(message, self.queue)

    async def take(self, count: int, queue: str | None = None) -> list[AbstractIncomingMessage]:
        """That many messages, delivered to us and not acknowledged."""
        source = await self.channel.get_queue(queue or self.queue)
        return [await source.get(timeout=5) for _ in range(count)]

    async def is_empty(self) -> bool:
        """Whether the queue has nothing to deliver, read from the queue itself and not from its statistics."""
        return await (await self.channel.get_queue(self.queue)).get(fail=False) is None

    async def count(self, queue: str | None = None) -> int:
        """How many messages of the queue no consumer holds."""
        found = await self.channel.declare_queue(queue or self.queue, passive=True)
        return found.declaration_result.message_count or 0

    async def dead(self) -> int:
        """How many dead letters the queue has."""
        return await self.count(topology.dead_queue(self.queue))

    async def effects(self) -> list[UUID]:
        """The messages that had an effect, in the order of their effects."""
        return [row["message_id"] for row in await self.pool.fetch("SELECT message_id FROM effects ORDER BY position")]

    async def outbox(self) -> list[UUID]:
        """The messages that wait in the outbox."""
        return [row["id"] for row in await self.pool.fetch("SELECT id FROM outbox ORDER BY created_at")]

    async def inbox(self) -> list[UUID]:
        """The messages marked as handled."""
        return [row["message_id"] for row in await self.pool.fetch("SELECT message_id FROM inbox")]


class Scripted:
    """Arrivals as a test wants them: these batches, then nothing more."""

    def __init__(self, *batches: Sequence[AbstractIncomingMessage]) -> None:
        self._batches = list(batches)

    async def next(self) -> Sequence[AbstractIncomingMessage]:
        if self._batches:
            return self._batches.pop(0)
        raise Exhausted


class Exhausted(Exception):
    """Every scripted batch is settled and acknowledged."""
