"""The bus of the simulation: queues in memory that lose, repeat and reorder; on it the real consumer and outbox."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from atelier_contracts import Message, wrap
from atelier_contracts.routes import ROUTES
from atelier_messaging import PublishOutcome, UnitOfWork, database, topology
from atelier_messaging.consumer import Consumer, Handler
from atelier_messaging.outbox import Outbox
from atelier_messaging.publisher import OutgoingMessage, Publisher
from atelier_messaging.unit_of_work import Transaction


class ProcessKilled(BaseException):
    """The process is killed."""


@dataclass(slots=True, eq=False)
class Frame:
    """One message in one queue, as a consumer sees it."""

    body: bytes
    headers: Mapping[str, object]
    message_id: str
    content_type: str
    delivery_tag: int = 1
    channel: Any = None
    user_id: str | None = None


class Channel:
    """Takes acknowledgements, or loses them."""

    def __init__(self, *, deaf: bool) -> None:
        self.acknowledged = 0
        self._deaf = deaf

    async def basic_ack(self, tag: int, *, multiple: bool) -> None:
        if self._deaf:
            raise ConnectionResetError("the connection broke")
        self.acknowledged = tag


class Broker:
    """Queues in memory. Speaks as ``Publisher`` does, and is as unreliable as its dice say."""

    is_connected = True

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.queues: dict[str, list[Frame]] = {queue: [] for queue in ROUTES}
        self.history: list[tuple[str, Frame]] = []
        self.dead: list[tuple[str, Frame]] = []
        self.faulty = True
        self.unplugged = False

    async def publish(self, window: Sequence[OutgoingMessage]) -> list[PublishOutcome]:
        """Each frame is taken or not, and confirmed or not: all four happen."""
        return [self._take(outgoing) for outgoing in window]

    def _take(self, outgoing: OutgoingMessage) -> PublishOutcome:
        if self.unplugged:
            return PublishOutcome.UNKNOWN
        luck = self._rng.random() if self.faulty else 1.0
        if luck < 0.08:
            return PublishOutcome.UNKNOWN  # lost on the way
        for queue in self._queues_of(outgoing):
            for _ in range(2 if self.faulty and self._rng.random() < 0.05 else 1):
                frame = Frame(outgoing.body, outgoing.headers, outgoing.message_id, outgoing.content_type)
                self.queues[queue].append(frame)
                self.history.append((queue, frame))
        return PublishOutcome.UNKNOWN if luck < 0.18 else PublishOutcome.CONFIRMED

    def _queues_of(self, outgoing: OutgoingMessage) -> list[str]:
        if outgoing.exchange == topology.DEAD_EXCHANGE:
            frame = Frame(outgoing.body, outgoing.headers, outgoing.message_id, outgoing.content_type)
            self.dead.append((outgoing.routing_key, frame))
            return []
        if outgoing.exchange.startswith("atelier.retry"):
            return [outgoing.routing_key]
        return [queue for queue, messages in ROUTES.items() if any(m.name == outgoing.routing_key for m in messages)]

    def say(self, message: Message) -> None:
        """Publishes for a model, which repeats itself until a consumer has the message."""
        envelope = wrap(message, source="model")
        self._take_surely(OutgoingMessage(envelope.body.encode(), envelope.headers, str(envelope.id), message.name))

    def _take_surely(self, outgoing: OutgoingMessage) -> None:
        faulty, self.faulty = self.faulty, False
        self._take(outgoing)
        self.faulty = faulty

    def repeat(self) -> None:
        """Something old comes again."""
        if self.history:
            queue, frame = self._rng.choice(self.history)
            self.queues[queue].append(frame)


@dataclass
class Process:
    """One service: its consumer, its outbox and its database."""

    queue: str
    unit: UnitOfWork
    consumer: Consumer
    dying: bool = False
    """Whether it dies at the end of the handler, before the commit."""

    @classmethod
    def of(cls, service: str, queue: str, pool: database.Pool, broker: Broker, handler: Handler) -> "Process":
        """Put together as the service does it, but for the broker."""
        publisher = cast(Publisher, broker)
        box = Outbox(pool, publisher)
        unit = UnitOfWork(pool, box, f"atelier/{service}")

        async def handle(work: Transaction) -> None:
            await handler(work)
            if process.dying:
                raise ProcessKilled

        process = cls(queue, unit, Consumer(queue, handle, unit, publisher))
        return process


class OneBatch:
    """Hands a consumer one batch, and then ends its loop."""

    def __init__(self, frames: list[Frame]) -> None:
        self._frames = [frames]

    async def next(self) -> Any:
        if not self._frames:
            raise ProcessKilled
        return self._frames.pop()
