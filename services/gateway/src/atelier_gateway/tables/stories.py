"""Stories and their narrations (seed 001). Only migrations read this file.

The tables of stories and narrations have row-level security, forced: what a statement sees is the user's that it
names in ``atelier.tenant``; without one it sees nothing. The rows of narrations are written by the statements that
write the projection, for many users at once, so writing is not tied to one.
"""

from datetime import datetime
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    SmallInteger,
    Text,
    UniqueConstraint,
    Uuid,
)
from sqlmodel import Field, SQLModel

from atelier_messaging.tables import NOW


class StoryRow(SQLModel, table=True):
    """A user's story; ``key`` is where its text lies in the object store, for the render to read."""

    __tablename__ = "stories"
    __table_args__ = (
        CheckConstraint("length(title) BETWEEN 1 AND 200", name="stories_title"),
        CheckConstraint("length(text) BETWEEN 1 AND 50000", name="stories_text"),
        UniqueConstraint("id", "user_id", name="stories_of_user"),
        Index("stories_user", "user_id"),
    )

    id: UUID = Field(primary_key=True)
    user_id: UUID
    title: str = Field(sa_column=Column(Text, nullable=False))
    text: str = Field(sa_column=Column(Text, nullable=False))
    language: str = Field(sa_column=Column(Text, nullable=False))
    key: str = Field(sa_column=Column(Text, nullable=False))
    created_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class StoryGenerationRow(SQLModel, table=True):
    """Which story a generation narrates. The foreign key holds the user too: no generation narrates another user's
    story. Its state is the projection's."""

    __tablename__ = "story_generations"
    __table_args__ = (
        ForeignKeyConstraint(["story_id", "user_id"], ["stories.id", "stories.user_id"]),
        Index("story_generations_user", "user_id"),
        Index("story_generations_story", "story_id"),
    )

    id: UUID = Field(sa_column=Column(Uuid, ForeignKey("generations.id", ondelete="CASCADE"), primary_key=True))
    user_id: UUID
    story_id: UUID


class StoryRequestRow(SQLModel, table=True):
    """One accepted initiation, or one in admission (``rate_limits/hourly_quota.py``); ``id`` is its generation's."""

    __tablename__ = "story_requests"
    __table_args__ = (Index("story_requests_user", "user_id", "at"), Index("story_requests_at", "at"))

    id: UUID = Field(primary_key=True)
    user_id: UUID
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


class GenerationLogRow(SQLModel, table=True):
    """One step of a narration, written in the statement that makes it. Gone with the generation."""

    __tablename__ = "generation_logs"
    __table_args__ = (Index("generation_logs_generation", "generation_id", "id"),)

    id: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    generation_id: UUID = Field(
        sa_column=Column(Uuid, ForeignKey("story_generations.id", ondelete="CASCADE"), nullable=False)
    )
    user_id: UUID
    step: str = Field(sa_column=Column(Text, nullable=False))
    progress: int = Field(sa_column=Column(SmallInteger, nullable=False))
    at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
