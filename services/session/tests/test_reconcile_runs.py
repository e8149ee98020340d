"""Runs of reconciliation are rows: one of a scope at a time, none before it is due, findings open until resolved."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from atelier_contracts import CancelRender
from atelier_messaging import UnitOfWork
from atelier_session.reconcile import repairs, store
from atelier_session.reconcile.rules import Drift, DriftKind

pytestmark = pytest.mark.stack
LOST = Drift(DriftKind.ARTEFACT_MISSING, "the store does not have it")


@pytest.fixture(autouse=True)
async def no_runs(unit: UnitOfWork) -> AsyncIterator[None]:
    yield
    await unit.pool.execute("DELETE FROM reconcile_runs; DELETE FROM reconcile_findings")


async def test_a_thorough_run_does_not_hold_up_the_recent_ones(unit: UnitOfWork) -> None:
    full = await store.start_run(unit.pool, "full", recent_s=60)

    recent = await store.start_run(unit.pool, "recent", recent_s=60)

    assert full is not None and recent is not None
    assert await store.start_run(unit.pool, "full", recent_s=60) is None
    assert full.position == UUID(int=0) < recent.position


async def test_a_run_is_not_started_again_before_it_is_due(unit: UnitOfWork) -> None:
    run = await store.start_run(unit.pool, "full", recent_s=60)
    assert run is not None
    async with unit.once() as tx:
        await store.advance_run(tx.connection, run, run.position, checked=7, in_flight=2, found=1, ended=True)

    assert await store.start_run(unit.pool, "full", recent_s=60, every_s=3_600) is None
    again = await store.start_run(unit.pool, "full", recent_s=60)

    ended = await store.find_run(unit.pool, run.id)
    assert again is not None and ended is not None
    assert (ended.state, ended.checked, ended.in_flight, ended.found) == ("ended", 7, 2, 1)


async def test_a_recent_run_leaves_nothing_out_however_long_the_one_before_took(unit: UnitOfWork) -> None:
    before = await store.start_run(unit.pool, "recent", recent_s=60)
    assert before is not None
    async with unit.once() as tx:
        await store.advance_run(tx.connection, before, before.position, checked=0, in_flight=0, found=0, ended=True)
    await unit.pool.execute("UPDATE reconcile_runs SET started_at = started_at - interval '1 day'")

    run = await store.start_run(unit.pool, "recent", recent_s=60)

    assert run is not None
    reaches_back_s = run.started_at.timestamp() - (run.position.int >> 80) / 1_000
    assert 86_399 < reaches_back_s < 86_460


async def test_a_finding_that_is_seen_again_is_one_row_until_it_is_resolved(unit: UnitOfWork) -> None:
    subject = uuid4()
    for _ in range(2):
        async with unit.once() as tx:
            await store.report(tx.connection, [(subject, LOST)])
    (found,) = await store.list_findings(unit.pool, before=None, resolved=False, limit=10)

    async with unit.once() as tx:
        await store.resolve(tx.connection, [found.id])
        await store.report(tx.connection, [(subject, LOST)])

    rows = await store.list_findings(unit.pool, before=None, resolved=True, limit=10)
    assert [row.resolved_by for row in rows] == [None, "in order again"]
    assert await store.count_findings(unit.pool) == {"artefact_missing": 1}


async def test_two_drifts_of_one_kind_are_one_finding(unit: UnitOfWork) -> None:
    subject = uuid4()
    fewer = Drift(DriftKind.ARTEFACT_MISSING, "render has one of two on record")

    async with unit.once() as tx:
        await store.report(tx.connection, [(subject, LOST), (subject, fewer)])

    (found,) = await store.list_findings(unit.pool, before=None, resolved=False, limit=10)
    assert found.details == f"{LOST.details}; {fewer.details}"


async def test_a_full_run_begins_with_the_objects_and_goes_on_where_it_was(unit: UnitOfWork) -> None:
    await store.start_run(unit.pool, "full", recent_s=60)
    await store.start_run(unit.pool, "bytes", recent_s=60)

    begun = []
    for after, checked in (("a", 2), ("b", 3), (None, 1)):
        async with unit.once() as tx:
            run = await store.claim_run(tx.connection, "full")
            assert run is not None
            begun.append((run.objects_after, run.objects))
            await store.advance_objects(tx.connection, run, after, checked=checked)
    full, read_whole = [await store.find_running(unit.pool, scope) for scope in ("full", "bytes")]

    assert begun == [("", 0), ("a", 2), ("b", 5)]
    assert full is not None and (full.objects_after, full.objects) == (None, 6)
    assert read_whole is not None and read_whole.objects_after is None


async def test_a_repair_ends_although_nothing_can_be_sent_for_a_finding(
    unit: UnitOfWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repairs, "REPAIRS_MAX", 1)
    without_end, left_open = uuid4(), uuid4()
    async with unit.once() as tx:
        await store.report(tx.connection, [(without_end, Drift(DriftKind.PROJECTION_DIFFERS, "another state"))])
        await store.report(tx.connection, [(left_open, Drift(DriftKind.JOB_LEFT_OPEN, "the saga has ended"))])

    async with asyncio.timeout(30):
        sentences = await repairs.repair_all(unit)

    assert set(sentences) == {
        f"projection_differs {without_end}: nothing can be sent; a person must look",
        f"job_left_open {left_open}: sent {CancelRender.name}: the saga has ended",
    }
    assert await unit.pool.fetchval("SELECT count(*) FROM reconcile_findings WHERE repair IS NOT NULL") == 1
