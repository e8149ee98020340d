"""Marks in the inbox go when they are old, and not because their message is."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from atelier_messaging import retention

from .server import Server, request

pytestmark = pytest.mark.stack

LONG_AGO, RECENTLY = timedelta(days=8), timedelta(days=6)


async def test_marks_of_messages_handled_long_ago_go_in_slices(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "SLICE_ROWS", 3)
    old = [await _mark(server, consumer, LONG_AGO, LONG_AGO) for consumer in ("a", "b") for _ in range(7)]
    kept = [await _mark(server, consumer, RECENTLY, RECENTLY) for consumer in ("a", "b")]

    assert await retention.prune_inbox(server.pool, days=7) == len(old)

    assert sorted(await server.inbox()) == sorted(kept)
    assert await retention.prune_inbox(server.pool, days=7) == 0


async def test_an_old_message_that_was_handled_recently_keeps_its_mark(server: Server) -> None:
    """As after weeks among the dead letters: delivered twice, it must not be handled twice."""
    replayed = await _mark(server, "a", LONG_AGO, timedelta(hours=1))

    assert await retention.prune_inbox(server.pool, days=7) == 0

    assert await server.inbox() == [replayed]


async def test_a_mark_under_an_id_that_is_not_time_ordered_hinders_nothing(server: Server) -> None:
    foreign = UUID(int=uuid4().int | (0xF << 124))
    await server.pool.execute("INSERT INTO inbox (consumer, message_id) VALUES ('a', $1)", foreign)
    await _mark(server, "a", LONG_AGO, LONG_AGO)

    assert await retention.prune_inbox(server.pool, days=7) == 1

    assert await server.inbox() == [foreign]


async def _mark(server: Server, consumer: str, made: timedelta, handled: timedelta) -> UUID:
    """A mark of a message that was made and handled so long ago."""
    fresh = request().id
    id_ = UUID(int=fresh.int - (int(made.total_seconds() * 1_000) << 80))
    await server.pool.execute(
        "INSERT INTO inbox (consumer, message_id, handled_at) VALUES ($1, $2, now() - $3::interval)",
        consumer, id_, handled,
    )  # fmt: skip
    return id_
