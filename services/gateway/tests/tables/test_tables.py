"""The tables as declared are the tables as migrated: a column changed in one place only shows here."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from sqlmodel import SQLModel

import atelier_gateway.tables  # noqa: F401 - fills the metadata

pytestmark = pytest.mark.stack


async def test_the_declared_tables_are_the_migrated_ones(database_url: str) -> None:
    engine = create_async_engine(database_url.replace("postgresql://", "postgresql+asyncpg://", 1))
    async with engine.connect() as connection:
        differences = await connection.run_sync(_differences)
    await engine.dispose()

    assert differences == []


def _differences(connection: Connection) -> list[object]:
    compared = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(compared, _declarations()))


def _declarations() -> MetaData:
    """The gateway's own: where other services' tests run in the same process, their tables are declared, too."""
    metadata = MetaData()
    for mapper in SQLModel._sa_registry.mappers:
        if mapper.class_.__module__.startswith(("atelier_gateway.", "atelier_messaging.")):
            for table in mapper.tables:
                table.to_metadata(metadata)  # type: ignore[attr-defined]
    return metadata
