"""Alembic's entry for render."""

from sqlmodel import SQLModel

import atelier_render.tables  # noqa: F401 - fills the metadata
from atelier_messaging.migrations import run

run(SQLModel.metadata)
