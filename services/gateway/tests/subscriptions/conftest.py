"""A broker whose subscriptions are the test's own."""

from collections.abc import AsyncIterator

import pytest

from atelier_messaging.subscriptions import delete_subscription

from ..support.world import World


@pytest.fixture
async def broker(server_urls: tuple[str, str], world: World) -> AsyncIterator[str]:
    """The operator's address; the queues of these tests are deleted afterwards."""
    await world.pool.execute("DELETE FROM subscriptions; DELETE FROM public_events")
    yield server_urls[0]
    for name in ("first", "second"):
        await delete_subscription(server_urls[0], name)
    await world.pool.execute("DELETE FROM subscriptions")
