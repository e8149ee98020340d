"""What an operator does with dead letters: look at them, and send them again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import aio_pika
from aio_pika.abc import HeadersType

from atelier_messaging.consumer import ATTEMPT_HEADER, REASON_HEADER
from atelier_messaging.topology import dead_queue, lasting

LIST_MAX = 1_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that could not be handled, and why."""

    message_id: str
    name: str
    subject: str
    reason: str


async def list_dead(url: str, queue: str) -> list[DeadLetter]:
    """The dead letters of a queue, oldest first, left where they are."""
    connection = await aio_pika.connect(url)
    async with connection:
        grave = await (await connection.channel()).get_queue(dead_queue(queue))
        letters: list[DeadLetter] = []
        while len(letters) < LIST_MAX and (raw := await grave.get(fail=False)) is not None:
            letters.append(_letter(raw.message_id or "", raw.headers or {}))
        return letters  # closing the connection returns them unacknowledged


async def redrive(url: str, queue: str) -> int:
    """Puts the dead letters that lie there now back into their queue, each with its own id; answers how many."""
    connection = await aio_pika.connect(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        grave = await channel.get_queue(dead_queue(queue))
        # Only as many as there are now: one that dies again at once comes back to this grave, and would be met again.
        found = min(LIST_MAX, grave.declaration_result.message_count or 0)
        moved = 0
        while moved < found and (raw := await grave.get(fail=False)) is not None:
            kept = lasting(raw.headers or {}).items()
            headers = cast(HeadersType, {k: v for k, v in kept if k not in {ATTEMPT_HEADER, REASON_HEADER}})
            again = aio_pika.Message(
                raw.body,
                headers=headers,
                message_id=raw.message_id,
                content_type=raw.content_type,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
            )
            await channel.default_exchange.publish(again, queue, mandatory=True)
            await raw.ack()
            moved += 1
        return moved


def _letter(message_id: str, headers: Mapping[str, object]) -> DeadLetter:
    reason = headers.get(REASON_HEADER) or headers.get("x-first-death-reason") or "unknown"
    return DeadLetter(
        message_id, str(headers.get("cloudEvents:type", "?")), str(headers.get("cloudEvents:subject", "?")), str(reason)
    )
