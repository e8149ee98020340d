"""A session database of the run's own, and units of work on it that publish nothing."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

import atelier_session
from atelier_messaging import UnitOfWork, database, testing
from atelier_messaging.outbox import Outbox
from atelier_messaging.publisher import Publisher

MIGRATIONS = Path(atelier_session.__file__).parent / "migrations"


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a superuser."""
    with testing.postgres("tests-session") as url:
        yield url


@pytest.fixture(scope="session")
async def unit(postgres: str) -> AsyncIterator[UnitOfWork]:
    """Makes transactions; what they emit stays in the outbox, for there is no broker."""
    async with testing.migrated_database(postgres, MIGRATIONS) as url:
        pool = await database.connect(url)
        yield UnitOfWork(pool, Outbox(pool, Publisher("amqp://nowhere.invalid/", "session")), "atelier/session")
        await pool.close()
