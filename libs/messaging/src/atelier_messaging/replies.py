"""Replies to one process, on a queue that is deleted with its connection. At most once: a reply is a hint."""

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
        """Declares a queue with a new name on every connection: the broker still holds the old one for a connection
        that only we know to be lost, until it misses our heartbeats."""
        channel = await connection.channel(publisher_confirms=False)
        queue = f"{self._key}.{uuid4().hex}"
        await channel.queue_declare(queue, exclusive=True, auto_delete=True)
        await channel.queue_bind(queue, EXCHANGE, routing_key=self._key)
        await channel.basic_consume(queue, self._receive, no_ack=True)

    async def _receive(self, raw: DeliveredMessage) -> None:
        properties = raw.header.properties
        try:
            messages = unpack(raw.body, properties.headers or {}, content_type=properties.content_type, message_id="")
        except Undecodable as error:
            logger.warning("decoding a frame of replies failed, ignoring it: %s", error)
            return
        for message in messages:
            try:
                reply = unwrap(message.body, message.headers)
            except Undecodable as error:
                logger.warning("decoding a reply failed, ignoring it: %s", error)
                continue
            if (refusal := self._senders.refusal(properties.user_id, type(reply.message))) is not None:
                logger.warning("a reply from an unauthorised sender is ignored: %s", refusal)
            else:
                await self._handler(reply)
