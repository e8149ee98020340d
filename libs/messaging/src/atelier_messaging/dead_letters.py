"""The operator's commands for dead letters: list them and redrive them."""

from dataclasses import dataclass
from typing import cast

import aio_pika
from aio_pika.abc import AbstractIncomingMessage, HeadersType

from atelier_contracts import Undecodable
from atelier_contracts.bundle import RawMessage, unpack
from atelier_contracts.message import REGISTRY
from atelier_contracts.routes import owner_of, senders_of
from atelier_messaging.connection import connect_first
from atelier_messaging.consumer import ATTEMPT_HEADER, REASON_HEADER
from atelier_messaging.senders import OPERATOR, SENDER_HEADER, Senders
from atelier_messaging.topology import dead_queue, portable_headers

LIST_MAX = 1_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that could not be handled, and why."""

    message_id: str
    name: str
    subject: str
    reason: str


async def list_dead(url: str, queue: str) -> list[DeadLetter]:
    """The dead letters of a queue, oldest first; they stay in their queue."""
    connection = await connect_first(url)
    async with connection:
        dead = await (await connection.channel()).get_queue(dead_queue(queue))
        found: list[DeadLetter] = []
        while len(found) < LIST_MAX and (raw := await dead.get(fail=False)) is not None:
            found += _read(raw)
        return found  # closing the connection returns them unacknowledged


async def redrive(url: str, queue: str, *, vouch: bool = False) -> int:
    """Moves the present dead letters back into their queue, each with its own id; returns how many.

    Their first sender goes with them, so one that was refused for its sender is refused again; ``vouch`` names instead
    the service that may send it."""
    senders = Senders.from_addresses(OPERATOR, url)
    connection = await connect_first(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        dead = await channel.get_queue(dead_queue(queue))
        met: set[tuple[str | None, bytes]] = set()
        moved = 0
        while moved < LIST_MAX and (raw := await dead.get(fail=False)) is not None:
            if (raw.message_id, raw.body) in met:
                continue  # it failed again at once; closing the connection leaves it in the dead-letter queue
            met.add((raw.message_id, raw.body))
            kept = portable_headers(raw.headers or {}).items()
            plain = {k: v for k, v in kept if k not in {ATTEMPT_HEADER, REASON_HEADER}}
            sender = _may_send(raw, senders) if vouch else _sender(raw, senders, queue)
            headers = cast(HeadersType, {**plain, SENDER_HEADER: sender})
            again = aio_pika.Message(
                raw.body,
                headers=headers,
                message_id=raw.message_id,
                content_type=raw.content_type,
                delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
                user_id=senders.own,
            )
            await channel.default_exchange.publish(again, queue, mandatory=True)
            await raw.ack()
            moved += 1
        return moved


def _sender(raw: AbstractIncomingMessage, senders: Senders, queue: str) -> str | None:
    return senders.of(raw.user_id, raw.headers or {}, mover=senders.user_of(owner_of(queue)))


def _may_send(raw: AbstractIncomingMessage, senders: Senders) -> str | None:
    letters = _read(raw)
    kind = REGISTRY.get(letters[0].name) if letters else None
    return senders.user_of(senders_of(kind)[0]) if kind else None


def _read(raw: AbstractIncomingMessage) -> list[DeadLetter]:
    """The messages of one frame: the broker dead-letters a bundle whole when its consumers died of it too often."""
    headers = raw.headers or {}
    reason = str(headers.get(REASON_HEADER) or headers.get("x-first-death-reason") or "unknown")
    whole = RawMessage(raw.body, headers, raw.message_id or "")
    try:
        found = unpack(raw.body, headers, content_type=raw.content_type, message_id=whole.message_id)
    except Undecodable:
        found = [whole]
    return [
        DeadLetter(
            letter.message_id,
            str(letter.headers.get("cloudEvents:type", "?")),
            str(letter.headers.get("cloudEvents:subject", "?")),
            reason,
        )
        for letter in found
    ]
