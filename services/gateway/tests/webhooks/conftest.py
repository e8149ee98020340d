"""A database with webhook deliveries, for the tests of dispatchers."""

from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import pytest

import atelier_gateway
from atelier_contracts import Owner
from atelier_messaging import database
from atelier_messaging.database import Pool
from atelier_messaging.testing import migrated_database

from ..support.webhook_dispatchers import Desk


@pytest.fixture(scope="module")
async def own_database(server_urls: tuple[str, str]) -> AsyncIterator[Pool]:
    """A database in which no other test's deliveries are due."""
    async with migrated_database(server_urls[1], Path(atelier_gateway.__file__).parent / "migrations") as url:
        pool = await database.connect(url)
        yield pool
        await pool.close()


@pytest.fixture
async def desk(own_database: Pool) -> Desk:
    """The same, empty, with dispatchers to make."""
    await own_database.execute("DELETE FROM webhook_deliveries; DELETE FROM webhook_endpoints")
    return Desk(own_database)


@pytest.fixture
def owner() -> Owner:
    """A new user."""
    return Owner(kind="user", id=uuid4())
