"""Results whose client was gone before it got them. Only migrations read this file."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import Column, DateTime, Index, LargeBinary, Text
from sqlmodel import Field, SQLModel

from atelier_messaging.tables import NOW


class UnclaimedResultRow(SQLModel, table=True):
    """A generation whose client closed its connection before the answer was sent, for that client's automatic retry.

    Kept for ``generations/undelivered_results.KEPT_MIN`` minutes.
    """

    __tablename__ = "unclaimed_results"
    __table_args__ = (Index("unclaimed_results_request", "owner_id", "route", "fingerprint"),)

    generation_id: UUID = Field(primary_key=True)
    owner_kind: str = Field(sa_column=Column(Text, nullable=False))
    owner_id: UUID
    route: str = Field(sa_column=Column(Text, nullable=False))
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    """What makes two requests the same one, as for an Idempotency-Key."""
    left_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))
