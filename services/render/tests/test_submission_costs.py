"""What submissions cost is on record with their outcome, also where nothing was delivered."""

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from pydantic import SecretStr

from atelier_contracts import CancelRender, RequestRender
from atelier_provider_simulator.control import Control
from atelier_render.cost_report import ExposureGauge, cost_router
from atelier_render.cost_table import CostTable
from atelier_render.providers.openai.provider import OpenAI
from atelier_render.providers.protocol import Transient, Unknown
from atelier_render.providers.toolkit.image_normaliser import ImageNormaliser
from atelier_render.usage import Usage

from .support.calls import BROKEN, PATIENT_S, PICTURE, Ask, kill_and_expire_leases, run_to_end
from .support.provider_script import FORGETFUL, OK, Scripted

pytestmark = pytest.mark.stack

LOW: dict[str, Any] = PICTURE | {"quality": "low", "size": "1024x1024", "prompt": "a lake at dawn, blue"}
TOKENS, ONE_PICTURE = {"per_million_input_text_tokens": 5_000_000, "per_million_output_image_tokens": 30_000_000}, 272
COST = 5 * 5 + ONE_PICTURE * 30
"""Micro-units of one picture of low quality."""
MOST = 50_000
PRICES = [
    {"provider": "openai", "model": "*", "most_per_output": MOST, **TOKENS},
    {"provider": "one", "model": "*", "most_per_output": MOST, "per_output": 7},
    {"provider": "two", "model": "*", "most_per_output": MOST, "per_output": 11},
    {"provider": "three", "model": "*", "most_per_output": MOST},
]


@pytest.fixture
def costs(world: Any) -> CostTable:
    version = {"version": "test", "valid_from": datetime(2020, 1, 1, tzinfo=UTC), "prices": PRICES}
    world.costs = CostTable.model_validate({"currency": "USD", "versions": [version]})
    return world.costs  # type: ignore[no-any-return]


@pytest.fixture
async def control(simulator_url: str) -> AsyncIterator[Control]:
    async with Control(simulator_url) as control:
        await control.forget()
        yield control


@pytest.fixture
async def openai(world: Any, control: Control) -> AsyncIterator[OpenAI]:
    provider = OpenAI(control.openai_key, ImageNormaliser(world.images), base_url=control.openai_url, answer_s_max=5.0)
    yield provider
    await provider.close()


class Counted(Scripted):
    """Reports that each submission made one output, or that it was not answered."""

    async def submit(self, job: Any) -> Any:
        job.meter.begin(None)
        outcome = await super().submit(job)
        if outcome != Unknown():
            job.meter.end(Usage(outputs=int(outcome in (OK, BROKEN))))
        return outcome


async def figures(world: Any, request: RequestRender) -> list[tuple[object, ...]]:
    """Provider, outcome, cost and exposure of each submission."""
    sql = "SELECT provider, outcome, cost_micros, exposure_micros, currency, cost_version FROM submissions"
    rows = await world.pool.fetch(f"{sql} WHERE generation_id = $1 ORDER BY sent_at, id", request.generation_id)
    assert {(row["currency"], row["cost_version"]) for row in rows} <= {("USD", "test")}
    return [tuple(row)[:4] for row in rows]


@pytest.mark.usefixtures("costs")
async def test_a_submission_has_its_usage_and_its_cost(world: Any, ask: Ask, openai: OpenAI) -> None:
    request = ask(**LOW)

    await run_to_end(world, request, openai)  # type: ignore[arg-type]

    row = await world.pool.fetchrow("SELECT model, usage FROM submissions")
    assert await figures(world, request) == [("openai", "succeeded", COST, 0)]
    assert row["model"] == "gpt-image-2.6-flare"
    assert len(row["usage"].pop("request_ids")) == 1
    assert row["usage"] == {
        "calls": 1,
        "answers": 1,
        "reported": True,
        "input_text_tokens": 5,
        "output_image_tokens": ONE_PICTURE,
        "outputs": 1,
    }


@pytest.mark.usefixtures("costs")
async def test_what_was_made_in_vain_has_its_cost(world: Any, ask: Ask, control: Control, openai: OpenAI) -> None:
    await control.plan("openai", "corrupt", times=100)
    request = ask(**LOW)

    await run_to_end(world, request, openai)  # type: ignore[arg-type]

    rows = await figures(world, request)
    assert [row[1:] for row in rows if row[0] == "openai"] == [("failed", COST, 0)]


@pytest.mark.usefixtures("costs")
async def test_a_lost_answer_is_exposure(world: Any, ask: Ask, control: Control, openai: OpenAI) -> None:
    await control.plan("openai", "lost_response")
    request = ask(**(LOW | {"n": 2}))

    row = await run_to_end(world, request, openai)  # type: ignore[arg-type]

    assert row["code"] == "unknown_outcome"
    assert await figures(world, request) == [("openai", "unknown", 0, 2 * MOST)]


@pytest.mark.usefixtures("costs")
async def test_each_submission_of_a_fail_over_has_its_own_cost(world: Any, ask: Ask) -> None:
    one, two = Counted("one", (Transient("503"),)), Counted("two", (OK,))
    request = ask(**PICTURE)

    await run_to_end(world, request, one, two)

    rows = await figures(world, request)
    assert rows[-1] == ("two", "succeeded", 11, 0)
    assert set(rows[:-1]) == {("one", "transient", 0, 0)}


@pytest.mark.usefixtures("costs")
async def test_while_it_is_under_way_all_that_it_can_cost_is_exposure(
    world: Any, ask: Ask, cancel: Callable[[RequestRender], CancelRender]
) -> None:
    one, request = Counted("one", (OK,), hold=asyncio.Event()), ask(**PICTURE)
    process = world.process(lease_s=PATIENT_S, preferred=(one,))
    await process.handle(request)
    process.start()
    await one.asked.wait()

    during = await figures(world, request)
    await process.handle(cancel(request))
    await world.until(request.generation_id, "cancelled")

    assert during == [("one", None, None, MOST)]
    assert await figures(world, request) == [("one", "abandoned", 0, MOST)]


@pytest.mark.usefixtures("costs")
async def test_what_a_dead_process_sent_stays_exposure_until_it_is_recalled(world: Any, ask: Ask) -> None:
    one, request = Scripted("one", (OK,), recalls=(OK,), hold=asyncio.Event()), ask(**PICTURE)
    dying = world.process(lease_s=PATIENT_S, preferred=(one,))
    await dying.handle(request)
    dying.start()
    await one.asked.wait()
    await kill_and_expire_leases(world, dying)
    after_death = await figures(world, request)

    world.process(lease_s=PATIENT_S, preferred=(one,)).start()
    await world.until(request.generation_id, "done")

    assert after_death == [("one", None, None, MOST)]
    assert await figures(world, request) == [("one", "succeeded", None, 0)]


async def test_without_a_table_usage_is_kept_and_no_cost(world: Any, ask: Ask) -> None:
    one, request = Counted("one", (Unknown(),), capabilities=FORGETFUL), ask(**PICTURE)

    await run_to_end(world, request, one)

    row = await world.pool.fetchrow("SELECT usage, cost_micros, exposure_micros, currency FROM submissions")
    assert tuple(row) == ({"calls": 1, "answers": 0, "reported": False}, None, None, None)


async def test_the_database_refuses_money_without_a_currency(world: Any, ask: Ask) -> None:
    one, request = Counted("one", (OK,)), ask(**PICTURE)
    await run_to_end(world, request, one)

    with pytest.raises(asyncpg.CheckViolationError, match="submissions_currency"):
        await world.pool.execute("UPDATE submissions SET cost_micros = 1")


@pytest.fixture
async def internal(world: Any, costs: CostTable) -> AsyncIterator[httpx.AsyncClient]:
    """Render's internal HTTP."""
    app = FastAPI()
    app.include_router(cost_router(world.pool, SecretStr("token"), costs))
    transport, headers = httpx.ASGITransport(app=app), {"Authorization": "Bearer token"}
    async with httpx.AsyncClient(transport=transport, base_url="http://render", headers=headers) as http:
        yield http


async def test_the_report_adds_up_what_was_spent_and_names_what_was_spent_in_vain(
    world: Any, ask: Ask, internal: httpx.AsyncClient
) -> None:
    today = datetime.now(UTC)
    period = {"since": (today - timedelta(hours=1)).isoformat(), "until": (today + timedelta(hours=1)).isoformat()}
    good, vain, lost = (ask(**PICTURE) for _ in range(3))
    await run_to_end(world, good, Counted("one", (OK,)))
    await run_to_end(world, vain, Counted("two", (BROKEN,)))
    await run_to_end(world, lost, Counted("three", (Unknown(),), capabilities=FORGETFUL))

    sums = (await internal.get("/internal/costs/sums", params=period | {"by": "provider"})).json()
    whole = (await internal.get("/internal/costs/sums", params=period)).json()["sums"]
    costly = (await internal.get("/internal/costs/submissions", params=period | {"limit": 10})).json()["submissions"]
    rest = await internal.get("/internal/costs/submissions", params=period | {"limit": 10, "after": costly[-1]["id"]})
    earlier = await internal.get(
        "/internal/costs/sums", params={"since": "2026-01-01T00:00:00Z", "until": period["since"]}
    )

    assert [(row["provider"], row["cost_micros"], row["exposure_micros"], row["unknown"]) for row in sums["sums"]] == [
        ("one", 7, 0, 0),
        ("three", 0, MOST, 1),
        ("two", 11, 0, 0),
    ]
    assert [(row["cost_micros"], row["exposure_micros"], row["submissions"]) for row in whole] == [(18, MOST, 3)]
    assert [(row["generation_id"], row["cost_micros"], row["delivered"]) for row in costly] == [
        (str(good.generation_id), 7, True),
        (str(vain.generation_id), 11, False),
    ]
    assert (rest.json()["submissions"], earlier.json()["sums"]) == ([], [])
    assert sums["table"]["currency"] == "USD"


async def test_exposure_is_a_metric_that_falls_again(world: Any, ask: Ask, costs: CostTable) -> None:
    gauge, label = ExposureGauge(world.pool), {"provider": "three", "currency": costs.currency}
    await run_to_end(world, ask(**PICTURE), Counted("three", (Unknown(),), capabilities=FORGETFUL))

    await gauge.measure()
    exposed = REGISTRY.get_sample_value("atelier_provider_exposure_micros", label)
    await world.pool.execute("UPDATE submissions SET exposure_micros = 0")
    await gauge.measure()

    assert (exposed, REGISTRY.get_sample_value("atelier_provider_exposure_micros", label)) == (MOST, 0)
