"""A subscriber's own Postgres keeps what an event led to and that it was handled in one commit."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from atelier_events import PREPARE, once_in_postgres
from whole_system.world import World

SCHEMA = "subscriber_of_the_tests"


@dataclass
class Message:
    """A message with an id."""

    id: UUID
    body: bytes = b"{}"

    @property
    def headers(self) -> dict[str, str]:
        return {"cloudEvents:id": str(self.id)}


@pytest.fixture
async def pool(world: World) -> AsyncIterator["asyncpg.Pool[Any]"]:
    """A database of the subscriber's own: a schema in which it owns its tables."""
    url = world.stack.environment()["ATELIER_GATEWAY_OWNER_DATABASE_URL"]
    async with asyncpg.create_pool(url, min_size=1, max_size=2, server_settings={"search_path": SCHEMA}) as opened:
        await opened.execute(f"CREATE SCHEMA {SCHEMA}; CREATE TABLE {SCHEMA}.sums (value INTEGER)")
        await opened.execute(PREPARE)
        yield opened
        await opened.execute(f"DROP SCHEMA {SCHEMA} CASCADE")


async def _add(pool: "asyncpg.Pool[Any]", message: Message) -> None:
    async with once_in_postgres(pool, message) as tx:
        if tx:
            await tx.execute("INSERT INTO sums VALUES (1)")


async def test_an_event_that_comes_again_changes_nothing_and_a_failed_one_is_new_again(
    pool: "asyncpg.Pool[Any]",
) -> None:
    message = Message(uuid4())

    with pytest.raises(RuntimeError):
        async with once_in_postgres(pool, message) as tx:
            assert tx
            await tx.execute("INSERT INTO sums VALUES (1)")
            raise RuntimeError("the handler failed")
    for _ in range(3):
        await _add(pool, message)

    assert await pool.fetchval("SELECT count(*) FROM sums") == 1
