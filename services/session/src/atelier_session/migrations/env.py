"""Alembic's entry for session."""

from sqlmodel import SQLModel

import atelier_session.reconcile.tables
import atelier_session.tables  # noqa: F401 - fills the metadata
from atelier_messaging.migrations import run

run(SQLModel.metadata)
