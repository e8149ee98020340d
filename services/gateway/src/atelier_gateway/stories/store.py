"""SQL of stories and of what was narrated of them. Every statement names the user, and so does the transaction it runs
in: row-level security shows nothing to one that does not (001.6). The narrations' rows are written in ``generations``.
"""

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.store import Generation
from atelier_messaging.database import Connection, Pool

_TENANT = "SELECT set_config('atelier.tenant', $1, true)"
_INSERT = """
INSERT INTO stories (id, user_id, title, text, language, key, created_at) VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT DO NOTHING
"""
_STORY = "SELECT id, user_id, title, text, language, key, created_at FROM stories WHERE id = $1 AND user_id = $2"
_STORIES = """
SELECT id, user_id, title, text, language, key, created_at FROM stories WHERE user_id = $1
ORDER BY id DESC LIMIT $2 OFFSET $3
"""
_STORIES_COUNT = "SELECT count(*) FROM stories WHERE user_id = $1"
_COLUMNS = ", ".join(f"g.{name.strip()}" for name in projection_store.COLUMNS.split(","))
_NARRATIONS = """
FROM story_generations s JOIN generations g ON g.id = s.id AND g.owner_kind = 'user' AND g.owner_id = s.user_id
WHERE s.user_id = $1 AND g.state <> 'rejected'
"""
_OF_STATES = f"{_NARRATIONS} AND ($2::text[] IS NULL OR g.state = ANY($2))"
_PAGE = f"SELECT s.story_id, {_COLUMNS} {_OF_STATES} ORDER BY s.id DESC LIMIT $3 OFFSET $4"
_COUNT = f"SELECT count(*) {_OF_STATES}"
_ONE = f"SELECT s.story_id, {_COLUMNS} {_NARRATIONS} AND s.id = $2"


@dataclass(frozen=True, slots=True)
class Story:
    """A row of ``stories``."""

    id: UUID
    user_id: UUID
    title: str
    text: str
    language: str
    key: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class StoryNarration:
    """A generation, and the story it narrates."""

    story_id: UUID
    generation: Generation


@asynccontextmanager
async def as_user(pool: Pool, user_id: UUID) -> AsyncIterator[Connection]:
    """A transaction that sees this user's rows only."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_TENANT, str(user_id))
        yield connection


async def insert(pool: Pool, story: Story) -> None:
    """Writes it."""
    async with as_user(pool, story.user_id) as connection:
        await connection.execute(
            _INSERT, story.id, story.user_id, story.title, story.text, story.language, story.key, story.created_at
        )


async def find(pool: Pool, story_id: UUID, user_id: UUID) -> Story | None:
    """The story, if it is this user's."""
    async with as_user(pool, user_id) as connection:
        row = await connection.fetchrow(_STORY, story_id, user_id)
    return Story(*row) if row else None


async def list_page(pool: Pool, user_id: UUID, *, limit: int, offset: int) -> tuple[list[Story], int]:
    """Stories of this user, newest first, and how many there are in all."""
    async with as_user(pool, user_id) as connection:
        rows = await connection.fetch(_STORIES, user_id, limit, offset)
        total: int = await connection.fetchval(_STORIES_COUNT, user_id)
    return [Story(*row) for row in rows], total


async def find_narration(pool: Pool, generation_id: UUID, user_id: UUID) -> StoryNarration | None:
    """The narration, if it is this user's."""
    async with as_user(pool, user_id) as connection:
        row = await connection.fetchrow(_ONE, user_id, generation_id)
    return _narration(row) if row else None


async def list_narrations(
    pool: Pool, user_id: UUID, *, states: Collection[str] | None, limit: int, offset: int
) -> tuple[list[StoryNarration], int]:
    """Narrations of this user in these states (None: any), newest first, and how many there are in all."""
    wanted = list(states) if states is not None else None
    async with as_user(pool, user_id) as connection:
        rows = await connection.fetch(_PAGE, user_id, wanted, limit, offset)
        total: int = await connection.fetchval(_COUNT, user_id, wanted)
    return [_narration(row) for row in rows], total


def _narration(row: asyncpg.Record) -> StoryNarration:
    return StoryNarration(row["story_id"], projection_store.generation_of(row))
