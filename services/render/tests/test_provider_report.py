"""How the providers do, for operators; and breakers that an operator holds."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from pydantic import SecretStr

from atelier_render.provider_calls.breaker_overrides import BreakerOverrides
from atelier_render.provider_report import provider_router
from atelier_render.providers.protocol import Failed, Unknown
from atelier_resilience.breaker import FAILURES_MAX

from .support.calls import PATIENT_S, PICTURE, Ask, fetch_submissions, run_to_end
from .support.provider_script import FORGETFUL, OK, Scripted
from .test_submission_costs import MOST, Counted, costs  # noqa: F401 - a fixture

pytestmark = pytest.mark.stack
ORDER = {"state": "open", "seconds": 600, "reason": "it answers garbage", "operator": "Ana"}


def gates_of(process: Any) -> Any:
    return process.scheduler._worker._caller._gates


@asynccontextmanager
async def internal(world: Any, process: Any, *providers: Scripted) -> AsyncIterator[httpx.AsyncClient]:
    """Render's internal HTTP, beside a process."""
    app, overrides = FastAPI(), BreakerOverrides(world.pool, gates_of(process))
    app.include_router(provider_router(world.pool, SecretStr("token"), providers, overrides))
    transport, headers = httpx.ASGITransport(app=app), {"Authorization": "Bearer token"}
    async with httpx.AsyncClient(transport=transport, base_url="http://render", headers=headers) as http:
        yield http


async def test_a_breaker_that_is_held_open_passes_the_provider_over_until_it_is_released(world: Any, ask: Ask) -> None:
    one, two = Scripted("one", (OK,)), Scripted("two", (OK,))
    process = world.process(lease_s=PATIENT_S, preferred=(one, two))
    first, second = ask(**PICTURE), ask(**PICTURE)
    process.start()
    async with internal(world, process, one, two) as http:
        held = await http.put("/internal/providers/one/breaker", json=ORDER)
        listed = (await http.get("/internal/providers")).json()["providers"][0]
        metric = REGISTRY.get_sample_value("atelier_provider_breaker_state", {"provider": "one"})
        await process.handle(first)
        during = await world.until(first.generation_id, "done", "failed")
        released = await http.delete("/internal/providers/one/breaker")
        await process.handle(second)
        after = await world.until(second.generation_id, "done", "failed")

    assert (held.json(), metric, released.json()) == ({"state": "open"}, 2, {"state": "closed"})
    assert (listed["breaker"], listed["override"]["reason"], listed["override"]["operator"]) == (
        "open",
        "it answers garbage",
        "Ana",
    )
    assert (during["provider"], after["provider"], len(one.keys)) == ("two", "one", 1)
    assert (await fetch_submissions(world, first))[0] == (1, "one", "ended", "not_sent")
    skipped = await world.pool.fetchval("SELECT reason FROM submissions WHERE outcome = 'not_sent'")
    assert "as an operator has ordered" in skipped


async def test_a_breaker_that_is_held_closed_lets_calls_through_that_it_would_stop(world: Any, ask: Ask) -> None:
    one, two = Scripted("one", (Failed("provider_failed", "melted"),)), Scripted("two", (OK,))
    process = world.process(lease_s=PATIENT_S, preferred=(one, two), slots=1)
    requests = [ask(**PICTURE) for _ in range(FAILURES_MAX + 2)]
    async with internal(world, process, one, two) as http:
        await http.put("/internal/providers/one/breaker", json=ORDER | {"state": "closed"})
        await process.handle(*requests)
        process.start()
        for request in requests:
            await world.until(request.generation_id, "done", "failed")
        closed = gates_of(process)["one"].state
        await http.delete("/internal/providers/one/breaker")

    assert (len(one.keys), closed, gates_of(process)["one"].state) == (FAILURES_MAX + 2, "closed", "open")


async def test_an_override_ends_by_itself_and_reaches_every_process(world: Any, ask: Ask) -> None:
    one = Scripted("one", (OK,))
    ordered, other = (world.process(preferred=(one,)) for _ in range(2))
    async with internal(world, ordered, one) as http:
        await http.put("/internal/providers/one/breaker", json=ORDER)
    elsewhere = BreakerOverrides(world.pool, gates_of(other))
    await elsewhere.refresh()
    held = gates_of(other)["one"].state

    await world.pool.execute("UPDATE breaker_overrides SET until = now() - interval '1 s'")
    await elsewhere.refresh()

    assert (held, gates_of(other)["one"].state) == ("open", "closed")


@pytest.mark.parametrize("wrong", [{"state": "ajar"}, {"seconds": 0}, {"seconds": 10**9}, {"reason": ""}])
async def test_an_order_that_is_none_is_refused(world: Any, wrong: dict[str, Any]) -> None:
    one = Scripted("one", (OK,))
    async with internal(world, world.process(preferred=(one,)), one) as http:
        refused = await http.put("/internal/providers/one/breaker", json=ORDER | wrong)
        unknown = await http.put("/internal/providers/nobody/breaker", json=ORDER)

    assert (refused.status_code, unknown.status_code) == (422, 404)


async def test_times_and_failures_are_counted_by_provider(world: Any, ask: Ask) -> None:
    good, bad = Scripted("one", (OK,)), Scripted("two", (Failed("provider_failed", "melted"),))
    for _ in range(3):
        await run_to_end(world, ask(**PICTURE), good)
    await run_to_end(world, ask(**PICTURE), bad)
    seconds = [0.5, 1.0, 9.0]
    for place, took in enumerate(seconds):
        await world.pool.execute(
            "UPDATE attempts SET ended_at = started_at + make_interval(secs => $1) WHERE generation_id ="
            " (SELECT generation_id FROM attempts WHERE provider = 'one' ORDER BY generation_id OFFSET $2 LIMIT 1)",
            took,
            place,
        )
    process = world.process(preferred=(good, bad))
    async with internal(world, process, good, bad) as http:
        rows = {row["provider"]: row for row in (await http.get("/internal/providers")).json()["providers"]}

    assert (rows["one"]["attempts"], rows["one"]["failed"], rows["one"]["p50_s"]) == (3, 0, 1.0)
    assert rows["one"]["p95_s"] == pytest.approx(8.2)
    assert rows["one"]["outcomes"] == {"succeeded": 3} and rows["two"]["outcomes"] == {"failed": 1}
    assert rows["one"]["configured"] and rows["two"]["breaker"] == "closed"


async def test_what_is_owed_in_unknown_outcomes_is_listed_and_a_providers_request_is_found(
    world: Any,
    ask: Ask,
    costs: Any,  # noqa: F811 - the fixture
) -> None:
    lost, fine = ask(**PICTURE), ask(**PICTURE)
    forgetful = Counted("three", (Unknown(),), capabilities=FORGETFUL)
    await run_to_end(world, lost, forgetful)
    await run_to_end(world, fine, Counted("one", (OK,)))
    known = '{"calls": 1, "request_ids": ["req_abc", "req_def"]}'
    await world.pool.execute("UPDATE submissions SET usage = $1::text::jsonb WHERE provider = 'one'", known)
    async with internal(world, world.process(preferred=(forgetful,)), forgetful) as http:
        owed = (await http.get("/internal/providers/unknown")).json()["submissions"]
        older = await http.get("/internal/providers/unknown", params={"before": owed[-1]["id"]})
        found = (await http.get("/internal/providers/requests/req_def")).json()
        nothing = (await http.get("/internal/providers/requests/req")).json()
        await world.pool.execute(
            "UPDATE submissions SET state = 'sent', outcome = NULL, ended_at = NULL, accepted = '{\"0\": \"fal-1\"}'"
            " WHERE provider = 'three'"
        )
        taken = (await http.get("/internal/providers/requests/fal-1")).json()

    assert [(row["generation_id"], row["exposure_micros"]) for row in owed] == [(str(lost.generation_id), MOST)]
    assert older.json()["submissions"] == []
    assert taken["generations"] == [str(lost.generation_id)]
    assert (found["generations"], nothing["generations"]) == ([str(fine.generation_id)], [])
