"""A billing database of the run's own, and units of work on it that publish nothing."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import atelier_billing
from atelier_messaging import UnitOfWork, database, testing
from atelier_messaging.database import Pool
from atelier_messaging.outbox import Outbox
from atelier_messaging.publisher import Publisher

MIGRATIONS = Path(atelier_billing.__file__).parent / "migrations"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a superuser."""
    with testing.postgres("tests-billing") as url:
        yield url


@pytest.fixture(scope="session")
async def database_url(postgres: str) -> AsyncIterator[str]:
    """URL of a migrated database, as the role that owns nothing in it."""
    async with testing.migrated_database(postgres, MIGRATIONS) as url:
        yield url


@pytest.fixture(scope="session")
async def owner_pool(postgres: str, database_url: str) -> AsyncIterator[Pool]:
    """The same database as a superuser, for what the service itself may not do."""
    pool = await database.connect(urlsplit(postgres)._replace(path=urlsplit(database_url).path).geturl())
    yield pool
    await pool.close()


@pytest.fixture(scope="session")
async def unit(database_url: str) -> AsyncIterator[UnitOfWork]:
    """Makes transactions; what they emit stays in the outbox, for there is no broker."""
    pool = await database.connect(database_url)
    yield UnitOfWork(pool, Outbox(pool, Publisher("amqp://nowhere.invalid/", "billing")), "atelier/billing")
    await pool.close()
