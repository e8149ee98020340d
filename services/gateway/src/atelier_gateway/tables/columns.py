"""Columns that several tables have. Table classes are read by migrations only; the running service speaks SQL."""

from typing import Any

from sqlalchemy import Column, DateTime, Integer, Text
from sqlalchemy import text as sql
from sqlmodel import Field

from atelier_messaging.tables import NOW


def text_column(*, unique: bool = False) -> Any:
    """A required text."""
    return Field(sa_column=Column(Text, nullable=False, unique=unique))


def time_column() -> Any:
    """A required time with zone, by default the start of the transaction."""
    return Field(sa_column=Column(DateTime(timezone=True), nullable=False, server_default=NOW))


def optional_time_column() -> Any:
    """A time with zone that is not known at first."""
    return Field(default=None, sa_column=Column(DateTime(timezone=True)))


def counter_column(column_type: Any = Integer) -> Any:
    """A required whole number, 0 by default."""
    return Field(sa_column=Column(column_type, nullable=False, server_default=sql("0")))
