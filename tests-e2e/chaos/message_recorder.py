"""Records every message on the bus, on a queue that survives what the others survive; can publish them again."""

import json
import random
from collections.abc import Mapping
from contextlib import suppress
from typing import cast

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, HeadersType
from uuid_utils.compat import uuid7

from atelier_contracts import Undecodable
from atelier_contracts.bundle import RawMessage, unpack
from atelier_contracts.message import REGISTRY
from atelier_contracts.routes import EXCHANGE, ROUTES
from atelier_messaging.addresses import addresses_of, user_of
from atelier_messaging.connection import BrokerConnection, connect_first
from atelier_messaging.senders import SENDER_HEADER

QUEUE = "chaos.message_recorder"
KEPT_MAX = 2_000


class MessageRecorder:
    """The messages of a run, by message id."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: BrokerConnection | None = None
        self.messages: dict[str, tuple[str, str]] = {}
        """Message id → its name and its subject."""
        self.frames: list[RawMessage] = []
        """The latest of them, to be published again."""
        self.repeated = 0

    async def open(self) -> None:
        """Begins to listen; call it before the load."""
        self._connection = BrokerConnection(addresses_of(self._url), "chaos recorder")
        await self._connection.open()
        channel = await self._connection.channel()
        await channel.set_qos(prefetch_count=100)
        # A classic queue: a quorum queue is sometimes left without a leader by a broker killed right after it was made.
        queue = await channel.declare_queue(QUEUE, durable=True)
        await queue.bind(EXCHANGE, "#")
        await queue.consume(self._record)

    async def reopen(self) -> None:
        """Starts again on a broker that has lost everything: earlier messages may never have arrived."""
        if self._connection is not None:
            await self._connection.close()
        self.messages.clear()
        await self.open()

    async def close(self) -> None:
        """Stops listening and takes the queue away."""
        if self._connection is not None:
            await self._connection.close()
        connection = await connect_first(self._url)
        async with connection:
            await (await connection.channel()).queue_delete(QUEUE)

    async def _record(self, raw: AbstractIncomingMessage) -> None:
        with suppress(Undecodable):
            for letter in unpack(
                raw.body, raw.headers or {}, content_type=raw.content_type, message_id=raw.message_id or ""
            ):
                name = str(letter.headers.get("cloudEvents:type", ""))
                if name in REGISTRY and letter.message_id:
                    self.messages[letter.message_id] = (name, str(letter.headers["cloudEvents:subject"]))
                    sender = {SENDER_HEADER: raw.headers.get(SENDER_HEADER) or raw.user_id}
                    self.frames.append(RawMessage(letter.body, {**letter.headers, **sender}, letter.message_id))
        del self.frames[:-KEPT_MAX]
        await raw.ack()

    async def repeat(self, rng: random.Random, times: int) -> int:
        """Publishes old messages again, in any order, into the queues of their consumers: half under their own id, half
        (those whose repetition changes nothing) under a new one. Returns how many."""
        chosen = [rng.choice(self.frames) for _ in range(min(times, len(self.frames)))]
        connection = await connect_first(self._url)
        async with connection:
            channel = await connection.channel(publisher_confirms=True)
            for letter in chosen:
                id_ = letter.message_id if rng.random() < 0.5 or not _is_repeatable(letter) else str(uuid7())
                headers = {**_portable_headers(letter.headers), "cloudEvents:id": id_}
                for queue in consumers_of(str(headers["cloudEvents:type"])):
                    message = aio_pika.Message(
                        letter.body,
                        headers=cast(HeadersType, headers),
                        message_id=id_,
                        user_id=user_of(self._url),
                        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    )
                    await channel.default_exchange.publish(message, queue)
        self.repeated += len(chosen)
        return len(chosen)

    async def poison(self, rng: random.Random, each: int) -> int:
        """Publishes messages that no consumer can handle, into every queue; returns how many."""
        connection = await connect_first(self._url)
        async with connection:
            channel = await connection.channel(publisher_confirms=True)
            for queue in ROUTES:
                for _ in range(each):
                    body = rng.choice((b"", b"{}", b"\xff\xfe", json.dumps({"generation_id": "x"}).encode()))
                    headers = {"cloudEvents:type": rng.choice(("nonsense.v1", ROUTES[queue][0].name))}
                    message = aio_pika.Message(
                        body,
                        headers=cast(HeadersType, headers),
                        message_id=str(uuid7()),
                        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                    )
                    await channel.default_exchange.publish(message, queue)
        return each * len(ROUTES)


def consumers_of(name: str) -> list[str]:
    """The queues that hear messages of this name."""
    return [queue for queue, messages in ROUTES.items() if any(message.name == name for message in messages)]


def _is_repeatable(letter: RawMessage) -> bool:
    """Whether a message keeps its meaning under a new id. Not a request to reserve: repeated under a new id after it
    was declined, it is a new request."""
    return letter.headers["cloudEvents:type"] != "billing.reserve_credit.v1"


def _portable_headers(headers: Mapping[str, object]) -> dict[str, object]:
    kept = ("traceparent", SENDER_HEADER)
    return {name: value for name, value in headers.items() if name.startswith("cloudEvents:") or name in kept}
