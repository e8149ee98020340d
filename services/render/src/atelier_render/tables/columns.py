"""Columns that many tables have."""

from datetime import datetime

from sqlalchemy import Column, DateTime, Text, text

NOW = text("now()")
LANES = "lane IN ('paced', 'instant')"


def text_column(*, nullable: bool = False) -> Column[str]:
    """Text without a bound."""
    return Column(Text, nullable=nullable)


def time_column(*, nullable: bool = True) -> Column[datetime]:
    """A moment; where it is required, that of its row unless it is given."""
    return Column(DateTime(timezone=True), nullable=nullable, server_default=None if nullable else NOW)
