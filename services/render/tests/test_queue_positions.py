"""Where a job stands: the position that the fair claim will prove right, and how long the like of it takes."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from atelier_contracts import Owner, RequestRender, Simulation
from atelier_messaging.testing import becomes
from atelier_render import store
from atelier_render.eta.estimator import EtaEstimator
from atelier_render.eta.queue_position import QueuePositions
from atelier_render.internal_api import queue_positions_router
from atelier_render.jobs import NewJob
from atelier_render.providers.simulator import Simulator
from atelier_telemetry import metrics

pytestmark = pytest.mark.stack
Ask = Callable[..., RequestRender]


@pytest.fixture
def eta_estimator(world: Any) -> EtaEstimator:
    """What is known of durations."""
    return EtaEstimator(world.pool, (), Simulator(world.images, attempt_s=1))


@pytest.fixture
async def internal(world: Any, eta_estimator: EtaEstimator) -> AsyncIterator[httpx.AsyncClient]:
    """Render's internal HTTP, of a process with one slot."""
    app = FastAPI()
    places = QueuePositions(world.pool, eta_estimator, slots=1, cap=0)
    app.include_router(queue_positions_router(places, SecretStr("token")))
    headers = {"Authorization": "Bearer token"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://r", headers=headers) as client:
        yield client


def jobs_of(owner: Owner, ask: Ask, count: int) -> list[NewJob]:
    deadline = datetime.now(UTC) + timedelta(minutes=5)
    return [NewJob(ask(owner).generation_id, owner, ask().spec, "paced", deadline, None) for _ in range(count)]


async def queue(world: Any, jobs: Sequence[NewJob]) -> None:
    async with world.pool.acquire() as connection, connection.transaction():
        await store.change_queues(connection, jobs, (), "")


async def claim(world: Any, limit: int) -> list[UUID]:
    async with world.pool.acquire() as connection, connection.transaction():
        return [job.generation_id for job in await store.claim_jobs(connection, "paced", limit, owner="me", lease_s=60)]


async def place(internal: httpx.AsyncClient, generation: UUID) -> dict[str, Any]:
    found: dict[str, Any] = (await internal.get(f"/internal/queue/{generation}")).json()
    return found


async def test_the_oldest_job_that_waits_is_found_among_all_tenants_and_priorities(world: Any, ask: Ask) -> None:
    [old], [older] = jobs_of(ask().owner, ask, 1), jobs_of(ask().owner, ask, 1)
    await queue(world, [old, older, *jobs_of(old.owner, ask, 2)])
    for job, age, rank in ((old, "10 days", 0), (older, "20 days", 1)):
        await world.pool.execute(
            f"UPDATE jobs SET created_at = now() - interval '{age}', priority = {rank} WHERE generation_id = $1",
            job.generation_id,
        )

    waited_s = await store.get_oldest_waiting_s(world.pool)
    await claim(world, 100)

    assert 20 * 86_400 <= waited_s < 21 * 86_400
    assert await store.get_oldest_waiting_s(world.pool) == 0


async def test_positions_are_the_order_in_which_the_claim_takes_the_jobs(
    world: Any, ask: Ask, internal: httpx.AsyncClient
) -> None:
    jobs = [*jobs_of(ask().owner, ask, 5), *jobs_of(ask().owner, ask, 2), *jobs_of(ask().owner, ask, 1)]
    await queue(world, jobs)

    told = {job.generation_id: (await place(internal, job.generation_id))["position"] for job in jobs}

    assert sorted(told.values()) == list(range(1, 9))
    for position in range(1, 9):
        [taken] = await claim(world, 1)
        assert told[taken] == position


async def test_what_runs_or_has_ended_has_no_position(world: Any, ask: Ask, internal: httpx.AsyncClient) -> None:
    await queue(world, jobs_of(ask().owner, ask, 1))
    [running] = await claim(world, 1)

    assert await place(internal, running) == {"position": None, "eta_s": None, "eta_p90_s": None}
    assert (await internal.get(f"/internal/queue/{ask().generation_id}")).status_code == 404


async def test_the_time_left_is_measured_on_the_like(
    world: Any, ask: Ask, internal: httpx.AsyncClient, eta_estimator: EtaEstimator
) -> None:
    await measure(world, eta_estimator, 4.0, 4.0, 4.0)
    jobs = jobs_of(ask().owner, ask, 3)
    await queue(world, jobs)
    [running] = await claim(world, 1)

    told = [await place(internal, job.generation_id) for job in jobs]

    assert told == [
        {"position": None, "eta_s": 4, "eta_p90_s": 4},
        {"position": 1, "eta_s": 8, "eta_p90_s": 8},
        {"position": 2, "eta_s": 12, "eta_p90_s": 12},
    ]
    assert running == jobs[0].generation_id


async def test_what_was_told_first_of_a_waiting_job_is_what_it_is_judged_by(
    world: Any, ask: Ask, internal: httpx.AsyncClient, eta_estimator: EtaEstimator
) -> None:
    await measure(world, eta_estimator, 4.0, 4.0, 10.0)
    [job] = jobs_of(ask().owner, ask, 1)
    await queue(world, [job])
    await place(internal, job.generation_id)
    await measure(world, eta_estimator, *[60.0] * 10)
    await place(internal, job.generation_id)

    async with world.pool.acquire() as connection, connection.transaction():
        [claimed] = await store.claim_jobs(connection, "paced", 1, owner="me", lease_s=60)

    assert claimed.promise is not None
    assert claimed.promise.eta == (4.0, 10.0)
    assert 0 <= claimed.promise.age_s < 60


async def test_the_latest_measurements_replace_the_oldest_and_are_everybodys(world: Any) -> None:
    first = [("local", "image", "", float(second)) for second in range(300)]
    await store.add_durations(world.pool, first)
    await store.add_durations(world.pool, [("local", "image", "", 1_000.0)])

    known = await store.durations(world.pool)

    assert len(known["local", "image", ""]) == 200
    assert known["local", "image", ""][0] == 1_000.0


async def test_a_render_that_ends_teaches_and_judges_what_was_told(world: Any, ask: Ask) -> None:
    process, request = world.process(), ask(simulate=Simulation(delay_ms=50))
    eta_estimator = process.scheduler._eta_estimator
    await measure(world, eta_estimator, *[0.001] * 9)
    kept = metrics.ETA_KEPT.labels("started", "no")._value
    late = kept.get()
    process.start()

    await process.handle(request)
    await world.until(request.generation_id, "done")

    async def has_news() -> bool:
        return bool(eta_estimator._news)

    await becomes(True, has_news)
    await eta_estimator.exchange()

    assert kept.get() == late + 1
    assert max(eta_estimator.like(request.spec)) > 0.04
    assert len(eta_estimator.latest()) == 1


async def measure(world: Any, eta_estimator: EtaEstimator, *seconds: float) -> None:
    """So long took the latest renders of what ``ask`` asks for."""
    await store.add_durations(world.pool, [("simulator", "try_on", "", took_s) for took_s in seconds])
    await eta_estimator.exchange()
