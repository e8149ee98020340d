"""Alembic's entry for the gateway."""

from sqlmodel import SQLModel

import atelier_gateway.tables  # noqa: F401 - fills the metadata
from atelier_messaging.migrations import run

run(SQLModel.metadata)
