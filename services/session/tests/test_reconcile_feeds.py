"""Reading the feeds: a service that does not answer leaves the caller's connection fit for use."""

import pytest
from pydantic import AnyHttpUrl, SecretStr

from atelier_messaging import UnitOfWork
from atelier_session.reconcile import feeds
from atelier_session.reconcile.feeds import Feeds, FeedUnavailable
from atelier_session.reconcile.reconciler import LAST

pytestmark = pytest.mark.stack
REFUSES = AnyHttpUrl("http://127.0.0.1:1")
SLOW = "SELECT pg_sleep(1) WHERE $1::uuid IS NOT NULL AND $2::int > 0"


async def test_a_feed_that_fails_before_the_sagas_are_read_leaves_the_connection_usable(
    unit: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "_SAGAS", SLOW)
    reader = Feeds(REFUSES, REFUSES, REFUSES, SecretStr("token"))

    async with unit.once() as tx:
        with pytest.raises(FeedUnavailable, match="reading /internal/reconcile/"):
            await reader.read_page(tx.connection, LAST, rows=10, objects="none")
        assert await tx.connection.fetchval("SELECT 1") == 1

    await reader.close()
