"""Outputs that go into their clients' own buckets. Only migrations read this file."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, DateTime, ForeignKey, Index, Integer, SmallInteger, Text, text
from sqlmodel import Field, SQLModel

from atelier_messaging.tables import NOW


class BucketUploadRow(SQLModel, table=True):
    """One output of a generation that is charged on delivery, and the URL that its client has signed for it."""

    __tablename__ = "bucket_uploads"
    __table_args__ = (
        CheckConstraint("state IN ('pending', 'delivered', 'failed')", name="bucket_uploads_state"),
        CheckConstraint("output >= 0", name="bucket_uploads_output"),
        Index("bucket_uploads_due", "next_try_at", postgresql_where=text("state = 'pending'")),
    )

    generation_id: UUID = Field(
        sa_column=Column(ForeignKey("generations.id", ondelete="CASCADE"), primary_key=True, nullable=False)
    )
    output: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    url: str = Field(sa_column=Column(Text, nullable=False))
    """It lets its holder write to the bucket: never shown, never logged."""
    state: str = Field(sa_column=Column(Text, nullable=False, server_default="pending"))
    tries: int = Field(sa_column=Column(SmallInteger, nullable=False, server_default="0"))
    next_try_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
    leased_until: datetime | None = Field(sa_column=Column(DateTime(timezone=True)))
    lease_id: UUID | None = Field(default=None)
    status: int | None = Field(sa_column=Column(Integer))
    """Of the last answer; null where none came."""
    etag: str | None = Field(sa_column=Column(Text))
    """As the bucket called what it took."""
    error: str | None = Field(sa_column=Column(Text))
    """Why the last try failed."""
