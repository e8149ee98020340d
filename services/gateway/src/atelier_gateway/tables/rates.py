"""The table of the sliding windows (``rate_limits/postgres_windows.py``)."""

from datetime import datetime

from sqlalchemy import ARRAY, Boolean, Column, DateTime, Index, Text
from sqlmodel import Field, SQLModel


class RateWindowRow(SQLModel, table=True):
    """One rule for one subject: when the requests in its window came, and whether the last one was let in."""

    __tablename__ = "rate_windows"
    __table_args__ = (
        Index("rate_windows_expires_at", "expires_at"),
        {"prefixes": ["UNLOGGED"]},
    )

    key: str = Field(sa_column=Column(Text, primary_key=True))
    moments: list[datetime] = Field(sa_column=Column(ARRAY(DateTime(timezone=True)), nullable=False))
    allowed: bool = Field(sa_column=Column(Boolean, nullable=False))
    expires_at: datetime = Field(sa_column=Column(DateTime(timezone=True), nullable=False))
