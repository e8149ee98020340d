"""The log and the admissions go when they are old; what still decides something stays."""

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from atelier_contracts import CreditDeclined, RenderSpec, Work
from atelier_messaging import UnitOfWork, retention
from atelier_session import store
from atelier_session.handlers import Handlers
from atelier_session.retention import prune
from atelier_session.settings import Settings

from .messages import build_request
from .steps import handle

pytestmark = pytest.mark.stack

DAYS_100 = 100 * 86_400


@pytest.fixture
def handlers() -> Handlers:
    settings: Any = Settings.model_construct(session_stop_grace_s=10.0, session_resend_s=10.0)
    return Handlers(settings)


async def test_old_entries_of_the_log_go_in_slices_and_recent_ones_stay(
    unit: UnitOfWork, handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SLICE_ROWS", 2)
    old, recent = [_id(DAYS_100) for _ in range(3)], _id(0)
    for generation in (*old, recent):
        await handle(unit, handlers, [build_request(generation)])
    await unit.pool.execute("UPDATE saga_log SET at = now() - interval '100 days' WHERE generation_id = ANY($1)", old)

    await prune(unit.pool, log_days=0)
    assert await _logged(unit, *old, recent) == {*old, recent}
    await prune(unit.pool, log_days=90)

    assert await _logged(unit, *old, recent) == {recent}
    assert await unit.pool.fetchval("SELECT count(*) FROM sagas WHERE generation_id = ANY($1)", old) == 3


async def test_of_an_ended_saga_the_request_goes_with_its_log_and_of_an_open_one_it_stays(
    unit: UnitOfWork, handlers: Handlers
) -> None:
    ended, still_open = _id(DAYS_100), _id(DAYS_100)
    for generation in (ended, still_open):
        request = build_request(generation).model_copy(update={"spec": RenderSpec(kind="try_on", prompt="a canary")})
        await handle(unit, handlers, [request])
    declined = CreditDeclined(generation_id=ended, reason="insufficient_credits", required=1, available=0)
    await handle(unit, handlers, [declined])
    await unit.pool.execute("UPDATE saga_log SET at = now() - interval '100 days'")

    await prune(unit.pool, log_days=90)

    (known,) = await store.find(unit.pool, [ended])
    assert (known.state, known.request.spec.prompt, known.request.work) == ("rejected", None, Work(kind="try_on"))
    (running,) = await store.find(unit.pool, [still_open])
    assert running.request.spec.prompt == "a canary"


async def test_an_admission_goes_once_it_is_old_and_its_request_still_runs_only_once(
    unit: UnitOfWork, handlers: Handlers
) -> None:
    generation = _id(DAYS_100)
    await handle(unit, handlers, [build_request(generation)])

    await prune(unit.pool, log_days=0)

    assert not await unit.pool.fetchval("SELECT count(*) FROM admissions WHERE generation_id = $1", generation)
    with pytest.raises(asyncpg.UniqueViolationError):
        await handle(unit, handlers, [build_request(generation)])
    assert await unit.pool.fetchval("SELECT count(*) FROM sagas WHERE generation_id = $1", generation) == 1


async def test_the_tombstone_of_a_withdrawn_request_is_kept(unit: UnitOfWork) -> None:
    withdrawn, lost = _id(DAYS_100), _id(DAYS_100)
    for id_, verdict in ((withdrawn, "withdrawn"), (lost, "admitted")):
        await unit.pool.execute("INSERT INTO admissions (generation_id, verdict) VALUES ($1, $2)", id_, verdict)

    await prune(unit.pool, log_days=0)

    kept = await unit.pool.fetch(
        "SELECT generation_id FROM admissions WHERE generation_id = ANY($1)", [withdrawn, lost]
    )
    assert {row["generation_id"] for row in kept} == {withdrawn, lost}


def _id(age_s: float) -> UUID:
    """An id that was made so long ago."""
    return UUID(int=retention.first_id_after(age_s).int | (uuid4().int & ((1 << 80) - 1)))


async def _logged(unit: UnitOfWork, *ids: UUID) -> set[UUID]:
    rows = await unit.pool.fetch("SELECT DISTINCT generation_id FROM saga_log WHERE generation_id = ANY($1)", list(ids))
    return {row["generation_id"] for row in rows}
