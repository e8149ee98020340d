"""What is said to one process alone, on a queue that dies with its connection. At most once, by nature a hint."""

import logging
from collections.abc import Awaitable, Callable
from uuid import uuid4

from aiormq.abc import AbstractConnection, DeliveredMessage

from atelier_contracts import Envelope, Undecodable, unwrap
from atelier_contracts.bundle import unpack
from atelier_contracts.routes import EXCHANGE
from atelier_messaging.senders import EVERYBODY, Senders

logger = logging.getLogger(__name__)

ReplyHandler = Callable[[Envelope], Awaitable[None]]


class Replies:
    """The replies under one key."""

    def __init__(self, key: str, handler: ReplyHandler, senders: Senders = EVERYBODY) -> None:
        self._key = key
        self._handler = handler
        self._senders = senders

    async def subscribe(self, connection: AbstractConnection) -> None:
        """On every new connection a queue of a fresh name: one that the broker still holds for a connection of ours
        that only we know to be lost could not be taken back before it misses our heartbeats."""
        channel = await connection.channel(publisher_confirms=False)
        queue = f"{self._key}.{uuid4().hex}"
        await channel.queue_declare(queue, exclusive=True, auto_delete=True)
        await channel.queue_bind(queue, EXCHANGE, routing_key=self._key)
        await channel.basic_consume(queue, self._receive, no_ack=True)

    async def _receive(self, raw: DeliveredMessage) -> None:
        properties = raw.header.properties
        try:
            opened = unpack(raw.body, properties.headers or {}, content_type=properties.content_type, message_id="")
        except Undecodable as strange:
            logger.warning("ignored an undecodable bundle of replies: %s", strange)
            return
        for letter in opened:
            try:
                reply = unwrap(letter.body, letter.headers)
            except Undecodable as strange:
                logger.warning("ignored an undecodable reply: %s", strange)
                continue
            if (refusal := self._senders.refusal(properties.user_id, type(reply.message))) is not None:
                logger.warning("ignored a reply: %s", refusal)
            else:
                await self._handler(reply)
