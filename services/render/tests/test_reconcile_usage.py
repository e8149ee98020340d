"""The feed of reconciliation says what the provider's answers had beside what was delivered, and what is missing."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from atelier_contracts import RequestRender
from atelier_render.cost_table import CostTable
from atelier_render.providers.protocol import Unknown
from atelier_render.reconcile_feed import reconcile_router
from atelier_render.usage import Usage

from .support.calls import PICTURE, Ask, run_to_end
from .support.provider_script import OK, Scripted

pytestmark = pytest.mark.stack
PRICES = [{"provider": "one", "model": "m", "most_per_output": 50, "per_output": 7}]
VERSION = {"version": "test", "valid_from": datetime(2020, 1, 1, tzinfo=UTC), "prices": PRICES}
COSTS = CostTable.model_validate({"currency": "USD", "versions": [VERSION]})


class Metered(Scripted):
    """Reports how many outputs its answer had, made by a model with a name."""

    async def submit(self, job: Any) -> Any:
        job.meter.begin("m")
        outcome = await super().submit(job)
        if outcome != Unknown():
            job.meter.end(Usage(outputs=1), reported=True)
        return outcome


async def job_of(world: Any, request: RequestRender) -> dict[str, Any]:
    """What the feed says of a job."""
    app = FastAPI()
    app.include_router(reconcile_router(world.pool, SecretStr("token"), world.objects, COSTS, jobs_keep_days=90))
    transport, headers = httpx.ASGITransport(app=app), {"Authorization": "Bearer token"}
    async with httpx.AsyncClient(transport=transport, base_url="http://render", headers=headers) as http:
        jobs = (await http.get("/internal/reconcile/jobs", params={"limit": 100})).json()["jobs"]
    (found,) = [job for job in jobs if job["generation_id"] == str(request.generation_id)]
    return dict(found)


@pytest.fixture
async def delivery(world: Any, ask: Ask) -> RequestRender:
    world.costs = COSTS
    request = ask(**PICTURE)
    await run_to_end(world, request, Metered("one", (OK,)))
    return request


async def test_what_was_delivered_has_its_usage_and_no_fault(world: Any, delivery: RequestRender) -> None:
    job = await job_of(world, delivery)

    assert (job["state"], job["delivered"], job["submissions"], job["metered_outputs"]) == ("done", 1, 1, 1)
    assert "usage_faults" not in job


@pytest.mark.parametrize(
    ("tampered", "outputs", "fault"),
    [
        ("usage = NULL", 0, "has no usage on record"),
        ("usage = usage - 'outputs'", 0, None),
        ("usage = jsonb_set(usage, '{outputs}', '\"many\"')", 0, None),
        ("cost_micros = NULL", 1, "has no cost on record, and m has a price"),
        ("cost_micros = NULL, cost_version = 'earlier'", 1, None),
        ("outcome = 'failed'", None, None),
        ("usage = NULL, model = NULL", None, None),
    ],
)
async def test_what_is_missing_of_usage_or_cost_is_told(
    world: Any, delivery: RequestRender, tampered: str, outputs: int | None, fault: str | None
) -> None:
    await world.pool.execute(f"UPDATE submissions SET {tampered} WHERE generation_id = $1", delivery.generation_id)

    job = await job_of(world, delivery)

    assert job.get("metered_outputs") == outputs
    assert [fault in said for said in job.get("usage_faults", ())] == ([True] if fault else [])


async def test_a_provider_that_counts_nothing_is_not_compared(world: Any, ask: Ask) -> None:
    world.costs = COSTS
    request = ask(**PICTURE)

    await run_to_end(world, request, Scripted("one", (OK,)))

    job = await job_of(world, request)
    assert (job["delivered"], job["submissions"], job.get("metered_outputs")) == (1, 1, None)
