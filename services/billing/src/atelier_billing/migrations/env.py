"""Alembic's entry for billing."""

from sqlmodel import SQLModel

import atelier_billing.tables  # noqa: F401 - fills the metadata
from atelier_messaging.migrations import run

run(SQLModel.metadata)
