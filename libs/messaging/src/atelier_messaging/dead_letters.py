"""Dead letters: list them, redrive them, discard them. The command line does it as the operator, on any queue; a
service does it for its own queues (``dead_letter_api.py``)."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import cast
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractIncomingMessage, HeadersType

from atelier_contracts import Undecodable
from atelier_contracts.bundle import RawMessage, unpack
from atelier_contracts.message import REGISTRY
from atelier_contracts.routes import owner_of, senders_of
from atelier_messaging.connection import connect_first
from atelier_messaging.consumer import ATTEMPT_HEADER, DEAD_AT_HEADER, REASON_HEADER
from atelier_messaging.senders import OPERATOR, SENDER_HEADER, Senders
from atelier_messaging.topology import dead_queue, portable_headers, retry_exchange

LIST_MAX = 1_000
BODY_CHARS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that could not be handled, and why."""

    message_id: str
    name: str
    subject: str
    reason: str
    frame: str = field(default="", compare=False)
    """By which it is redriven or discarded; what the broker gave up whole shares one."""
    body: str = field(default="", compare=False)
    """At most ``BODY_CHARS_MAX`` characters."""
    sent_at: datetime | None = field(default=None, compare=False)
    """When it was made, by its id."""
    dead_at: datetime | None = field(default=None, compare=False)
    """When it was put aside; None where that is not recorded."""


async def list_dead(url: str, queue: str, *, limit: int = LIST_MAX) -> list[DeadLetter]:
    """The dead letters of a queue, oldest first; they stay in their queue."""
    connection = await connect_first(url)
    async with connection:
        dead = await (await connection.channel()).get_queue(dead_queue(queue), ensure=False)
        found: list[DeadLetter] = []
        while len(found) < limit and (raw := await dead.get(fail=False)) is not None:
            found += _read(raw)
        return found  # closing the connection returns them unacknowledged


async def redrive(
    url: str, queue: str, *, vouch: bool = False, frames: Collection[str] | None = None, role: str = OPERATOR
) -> int:
    """Moves the present dead letters, or those of ``frames``, back into their queue, each with its own id; returns how
    many.

    Their first sender goes with them, so one that was refused for its sender is refused again; ``vouch`` names instead
    the service that may send it. A service (``role``) has no right to the default exchange: its letters go by the first
    level of retries and arrive a second later."""
    senders = Senders.from_addresses(role, url)
    connection = await connect_first(url)
    async with connection:
        channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        exchange = (
            channel.default_exchange
            if role == OPERATOR
            else await channel.get_exchange(retry_exchange(0), ensure=False)
        )
        moved = 0
        for raw in await _take(channel, queue, frames):
            kept = portable_headers(raw.headers or {}).items()
            plain = {k: v for k, v in kept if k not in {ATTEMPT_HEADER, REASON_HEADER, DEAD_AT_HEADER}}
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
            await exchange.publish(again, queue, mandatory=True)
            await raw.ack()
            moved += 1
        return moved


async def discard(url: str, queue: str, frames: Collection[str]) -> int:
    """Drops these dead letters for good; returns how many frames."""
    connection = await connect_first(url)
    async with connection:
        taken = await _take(await connection.channel(), queue, frames)
        for raw in taken:
            await raw.ack()
        return len(taken)


async def _take(channel: AbstractChannel, queue: str, frames: Collection[str] | None) -> list[AbstractIncomingMessage]:
    """The present dead letters, each once, held by this channel; those that are not wanted return when it closes. All
    are taken before the first is moved: one that fails again at once comes back behind them."""
    dead = await channel.get_queue(dead_queue(queue), ensure=False)
    wanted = set(frames) if frames is not None else None
    taken: list[AbstractIncomingMessage] = []
    seen = 0
    while seen < LIST_MAX and (raw := await dead.get(fail=False)) is not None:
        seen += 1
        if wanted is None or frame_of(raw) in wanted:
            taken.append(raw)
        if wanted is not None and len(taken) == len(wanted):
            break
    return taken


def frame_of(raw: AbstractIncomingMessage) -> str:
    """Names a frame by its content: ids of frames are whatever their sender wrote."""
    return hashlib.sha256(f"{raw.message_id}:".encode() + raw.body).hexdigest()[:24]


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
    frame, dead_at = frame_of(raw), _dead_at(headers)
    return [
        DeadLetter(
            letter.message_id,
            str(letter.headers.get("cloudEvents:type", "?")),
            str(letter.headers.get("cloudEvents:subject", "?")),
            reason,
            frame=frame,
            body=letter.body.decode(errors="replace")[:BODY_CHARS_MAX],
            sent_at=_made_at(letter.message_id),
            dead_at=dead_at,
        )
        for letter in found
    ]


def _dead_at(headers: HeadersType) -> datetime | None:
    """When our consumer put it aside, or the broker."""
    at = headers.get(DEAD_AT_HEADER)
    if isinstance(at, int):
        return datetime.fromtimestamp(at, UTC)
    deaths = headers.get("x-death")
    when = deaths[0].get("time") if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else None
    return when.astimezone(UTC) if isinstance(when, datetime) else None


def _made_at(message_id: str) -> datetime | None:
    try:
        id_ = UUID(message_id)
    except ValueError:
        return None
    return datetime.fromtimestamp((id_.int >> 80) / 1000, UTC) if id_.version == 7 else None
