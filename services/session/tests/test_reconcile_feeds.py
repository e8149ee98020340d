"""Reading the feeds: a service that does not answer leaves the caller's connection fit for use."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import AnyHttpUrl, SecretStr

from atelier_messaging import UnitOfWork
from atelier_messaging.testing import happens
from atelier_session.handlers import Handlers
from atelier_session.reconcile import feeds, store
from atelier_session.reconcile.feeds import Feeds, FeedUnavailable, read_sagas
from atelier_session.reconcile.reconciler import LAST, Reconciler, Schedule
from atelier_session.settings import Settings

from .messages import build_request
from .steps import handle, withdraw

pytestmark = pytest.mark.stack
REFUSES = AnyHttpUrl("http://127.0.0.1:1")
LOCKED = """
SELECT DISTINCT relname AS "table" FROM pg_locks JOIN pg_class c ON c.oid = relation
WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace AND pid <> pg_backend_pid()
"""
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


async def test_sagas_are_not_locked_while_other_services_are_asked(unit: UnitOfWork) -> None:
    """A migration that waited for them would stop everybody who comes after it."""
    asked, answered = asyncio.Event(), asyncio.Event()

    async def keep_waiting(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.set()
        await answered.wait()
        writer.close()

    server = await asyncio.start_server(keep_waiting, "127.0.0.1", 0)
    slow = AnyHttpUrl(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    reader = Feeds(slow, slow, slow, SecretStr("token"))
    await store.start_run(unit.pool, "recent", recent_s=60)

    working = asyncio.create_task(Reconciler(unit, reader, Schedule(0, 0, 0, 60, 3, 1)).work())
    await happens(asked)
    locked = await unit.pool.fetch(LOCKED)
    answered.set()
    await working

    assert {row["table"] for row in locked} == {"reconcile_runs", "reconcile_object_runs"}
    await reader.close()
    server.close()
    await unit.pool.execute("DELETE FROM reconcile_runs")


async def test_a_scheduled_run_rests_until_an_operator_wants_one(unit: UnitOfWork) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = b'{"holds": [], "jobs": [], "projections": [], "violations": []}'
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    empty = AnyHttpUrl(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    reader = Feeds(empty, empty, empty, SecretStr("token"))
    reconciler = Reconciler(unit, reader, Schedule(0, 0, 0, 60, 3, share=1e-9))

    async def state_after_work(run: store.Run | None) -> str:
        assert run is not None
        await reconciler.work()
        found = await store.find_run(unit.pool, run.id)
        assert found is not None
        return found.state

    assert await state_after_work(await store.start_run(unit.pool, "recent", recent_s=60)) == "ended"
    assert await state_after_work(await store.start_run(unit.pool, "recent", recent_s=60)) == "running"
    assert await state_after_work(await reconciler.start("recent")) == "ended"
    await reader.close()
    server.close()
    await unit.pool.execute("DELETE FROM reconcile_runs")


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
