"""Where a job stands: the position that the fair claim will prove right, and how long the like of it takes."""

from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from atelier_contracts import Owner, RequestRender
from atelier_render import store
from atelier_render.jobs import NewJob
from atelier_render.reads import reads_router

pytestmark = pytest.mark.stack
Ask = Callable[..., RequestRender]


@pytest.fixture
async def internal(world: Any) -> AsyncIterator[httpx.AsyncClient]:
    """Render's internal HTTP."""
    app = FastAPI()
    app.include_router(reads_router(world.pool, SecretStr("token"), ()))
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

    assert await place(internal, running) == {"position": None, "eta_s": None}
    assert (await internal.get(f"/internal/queue/{ask().generation_id}")).status_code == 404


async def test_the_time_left_is_measured_on_the_like(world: Any, ask: Ask, internal: httpx.AsyncClient) -> None:
    await queue(world, jobs_of(ask().owner, ask, 3))
    [measured] = await claim(world, 1)
    await world.pool.execute(
        """WITH done AS (UPDATE jobs SET state = 'done', delivered = 1, lease_owner = NULL, lease_until = NULL,
                                         started_at = now() - interval '4 seconds', finished_at = now()
                         WHERE generation_id = $1 RETURNING lane, owner_id)
           UPDATE tenant_queues t SET running = running - 1 FROM done d
           WHERE (t.lane, t.owner_id) = (d.lane, d.owner_id)""",
        measured,
    )
    waiting = await world.pool.fetch("SELECT generation_id FROM jobs WHERE state = 'queued' ORDER BY 1")

    told = [await place(internal, row["generation_id"]) for row in waiting]

    assert told == [{"position": 1, "eta_s": 4}, {"position": 2, "eta_s": 8}]
