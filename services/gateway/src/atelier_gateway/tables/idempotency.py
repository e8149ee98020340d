"""The ``Idempotency-Key`` of requests."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Column, Index, LargeBinary, SmallInteger, Text
from sqlmodel import Field, SQLModel

from atelier_gateway.tables.columns import time_column


class IdempotencyRow(SQLModel, table=True):
    """A tenant's ``Idempotency-Key`` on one route: for which request, and the reply once there is one."""

    __tablename__ = "idempotency"
    __table_args__ = (
        CheckConstraint("owner_kind IN ('store', 'user', 'workspace', 'admin')", name="idempotency_owner_kind"),
        CheckConstraint("octet_length(fingerprint) = 32", name="idempotency_fingerprint"),
        CheckConstraint("(reply_status IS NULL) = (reply_body IS NULL)", name="idempotency_reply"),
        CheckConstraint("length(key) BETWEEN 1 AND 255", name="idempotency_key_length"),
        Index("idempotency_claimed_at", "claimed_at"),
    )

    owner_kind: str = Field(sa_column=Column(Text, primary_key=True))
    owner_id: UUID = Field(primary_key=True)
    route: str = Field(sa_column=Column(Text, primary_key=True))
    key: str = Field(sa_column=Column(Text, primary_key=True))
    fingerprint: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    holder: UUID
    reply_status: int | None = Field(default=None, sa_column=Column(SmallInteger))
    reply_body: bytes | None = Field(default=None, sa_column=Column(LargeBinary))
    claimed_at: datetime = time_column()
