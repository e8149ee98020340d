"""What this process waits to hear: replies to its own requests, on a queue that is its alone.

At most once by nature: a reply may be lost with the broker connection. Who waits must know what to do then.
"""

import asyncio
from collections.abc import Awaitable
from uuid import UUID

from atelier_contracts import Envelope, Message
from atelier_messaging import PublishOutcome


class ReplyListener:
    """Futures by subject: the id of the generation or of the grant."""

    def __init__(self) -> None:
        self._waiting: dict[UUID, asyncio.Future[Message | None]] = {}
        self._sending: set[asyncio.Future[PublishOutcome]] = set()

    async def on_reply(self, envelope: Envelope) -> None:
        """Wakes the waiters of this subject."""
        self._resolve(envelope.message.subject, envelope.message)

    async def publish_and_wait(
        self, subject: UUID, publishing: Awaitable[PublishOutcome], *, timeout_s: float
    ) -> Message | None:
        """The reply to a message while it is being published; listening starts before it leaves.

        None when no reply came in time, or as soon as the broker did not confirm the message: its outcome is
        then unknown.
        """
        reply = asyncio.get_running_loop().create_future()
        self._waiting[subject] = reply
        sending = asyncio.ensure_future(publishing)
        self._sending.add(sending)
        sending.add_done_callback(lambda done: self._on_published(subject, done))
        try:
            async with asyncio.timeout(timeout_s):
                message: Message | None = await reply
                return message
        except TimeoutError:
            return None
        finally:
            del self._waiting[subject]

    def _on_published(self, subject: UUID, sending: "asyncio.Future[PublishOutcome]") -> None:
        self._sending.discard(sending)
        if not _is_confirmed(sending):
            self._resolve(subject, None)

    def _resolve(self, subject: UUID, message: Message | None) -> None:
        reply = self._waiting.get(subject)
        if reply is not None and not reply.done():
            reply.set_result(message)


def _is_confirmed(sending: "asyncio.Future[PublishOutcome]") -> bool:
    return not sending.cancelled() and sending.exception() is None and sending.result() is PublishOutcome.CONFIRMED
