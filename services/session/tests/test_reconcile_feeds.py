"""Reading the feeds: a service that does not answer leaves the caller's connection fit for use."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import AnyHttpUrl, SecretStr

from atelier_messaging import UnitOfWork
from atelier_session.handlers import Handlers
from atelier_session.reconcile import feeds
from atelier_session.reconcile.feeds import Feeds, FeedUnavailable, read_sagas
from atelier_session.reconcile.reconciler import LAST
from atelier_session.settings import Settings

from .messages import build_request
from .steps import handle, withdraw

pytestmark = pytest.mark.stack
REFUSES = AnyHttpUrl("http://127.0.0.1:1")
SLOW = "SELECT FROM pg_sleep(1) WHERE $1::uuid IS NOT NULL AND $2::int > 0 OFFSET 1"


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


async def test_a_saga_is_on_record_after_its_admission_was_pruned(unit: UnitOfWork) -> None:
    settings: Any = Settings.model_construct(session_stop_grace_s=10.0, session_resend_s=10.0)
    kept, pruned, withdrawn = sorted(uuid4() for _ in range(3))
    for generation in (kept, pruned):
        await handle(unit, Handlers(settings), [build_request(generation)])
    await withdraw(unit, withdrawn)
    await unit.pool.execute("DELETE FROM admissions WHERE generation_id = $1", pruned)

    async with unit.once() as tx:
        found = [
            (record.generation_id, record.verdict, record.state)
            for id_ in (kept, pruned, withdrawn)
            for record in await read_sagas(tx.connection, UUID(int=id_.int - 1), rows=1)
        ]

    assert found == [
        (kept, "admitted", "reserving"),
        (pruned, "admitted", "reserving"),
        (withdrawn, "withdrawn", None),
    ]
