"""The tables as declared are the tables as migrated: a column changed in one place only shows here."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

import atelier_gateway.tables  # noqa: F401 - fills the metadata

pytestmark = pytest.mark.stack


async def test_the_declared_tables_are_the_migrated_ones(migrated: str) -> None:
    engine = create_async_engine(migrated.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await engine.dispose()

    assert differences == []


def _differences(connection: Connection) -> list[object]:
    return list(
        compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), SQLModel.metadata)
    )
