"""From the message to the event: jobs are saved, rendered, stored, traced, and readable over HTTP."""

import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import NonRecordingSpan, SpanKind
from pydantic import SecretStr

from atelier_contracts import CancelRender, RequestRender, Simulation, wrap
from atelier_messaging import Delivery
from atelier_render.handlers import handle_commands
from atelier_render.internal_api import internal_router
from atelier_telemetry.tracing import traceparent_of

from .support.calls import kill_and_expire_leases

pytestmark = pytest.mark.stack
Ask = Callable[..., RequestRender]


async def test_a_picture_is_announced_as_it_lies_in_the_store(world: Any, ask: Ask) -> None:
    process, request = world.process(), ask(simulate=Simulation(), n=2)
    process.start()

    await process.handle(request)
    await world.until(request.generation_id, "done")

    said = await world.message_of(request.generation_id, "render_completed")
    rows = await world.pool.fetch("SELECT key, size, sha256 FROM artefacts ORDER BY key")
    assert (said["delivered"], said["requested"], said["provider"]) == (2, 2, "simulator")
    assert [(o["key"], o["size"], o["sha256"]) for o in said["outputs"]] == [tuple(row) for row in rows]
    assert set(world.objects.objects) == {output[name] for output in said["outputs"] for name in ("key", "thumbnail")}


async def test_a_failed_render_is_announced_with_its_code(world: Any, ask: Ask) -> None:
    process = world.process()
    requests = [ask(simulate=Simulation(outcome="fail", picture=picture)) for picture in (True, False)]
    process.start()

    await process.handle(*requests)

    for request in requests:
        await world.until(request.generation_id, "failed")
        assert (await world.message_of(request.generation_id, "render_failed"))["code"] == "provider_failed"


async def test_a_job_past_its_deadline_is_not_started(world: Any, ask: Ask) -> None:
    process, late, in_time = world.process(), ask(deadline_s=-1), ask()
    process.start()

    await process.handle(late, in_time)
    await world.until(in_time.generation_id, "done")

    assert (await world.job(late.generation_id))["state"] == "failed"
    assert await world.events(late.generation_id) == ["render_failed"]
    assert (await world.message_of(late.generation_id, "render_failed"))["code"] == "provider_timeout"


async def test_no_more_attempts_run_at_once_than_there_are_slots(world: Any, ask: Ask) -> None:
    process = world.process(slots=2)
    requests = [ask(simulate=Simulation(delay_ms=200)) for _ in range(6)]
    process.start()

    await process.handle(*requests)
    most = 0
    while await world.pool.fetchval("SELECT count(*) FROM jobs WHERE state <> 'done'"):
        most = max(most, await world.pool.fetchval("SELECT count(*) FROM jobs WHERE state = 'running'"))

    assert most == 2


async def test_instant_jobs_do_not_wait_for_a_slot(world: Any, ask: Ask) -> None:
    process, slow, instant = world.process(slots=1), ask(simulate=Simulation(delay_ms=5_000)), ask()
    process.start()
    await process.handle(slow)
    await world.until(slow.generation_id, "running")

    await process.handle(instant)

    await world.until(instant.generation_id, "done")


async def test_the_attempt_and_what_it_says_belong_to_the_trace_of_the_request(world: Any, ask: Ask) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with pytest.MonkeyPatch.context() as patch:
        for module in ("atelier_render.execution.scheduler._tracer", "atelier_messaging.message_spans._spans"):
            patch.setattr(module, provider.get_tracer("test"))
        process, request = world.process(), ask(simulate=Simulation())
        consuming = provider.get_tracer("test").start_span("process")
        delivery = Delivery(wrap(request, source="test"), consuming)
        async with process.unit.once("render.commands", [delivery]) as tx:
            await handle_commands(tx, scheduler=process.scheduler, collector=process.collector, simulator=True)
        process.start()
        await world.until(request.generation_id, "done")
        await process.kill()

    [attempt] = [span for span in exporter.get_finished_spans() if span.name == "render try_on"]
    assert attempt.parent is not None
    assert attempt.parent.span_id == consuming.get_span_context().span_id
    parents = {parent for (parent,) in await world.pool.fetch("SELECT traceparent FROM outbox")}
    creations = [span for span in exporter.get_finished_spans() if span.kind is SpanKind.PRODUCER]
    assert parents == {traceparent_of(NonRecordingSpan(creation.context)) for creation in creations}
    assert {creation.parent and creation.parent.span_id for creation in creations} == {attempt.context.span_id}


async def test_a_job_can_be_asked_about_by_colleagues_only(world: Any, ask: Ask) -> None:
    process, request = world.process(), ask(simulate=Simulation())
    process.start()
    await process.handle(request)
    await world.until(request.generation_id, "done")
    app = FastAPI()
    app.include_router(internal_router(world.pool, SecretStr("a secret token..."), ()))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://render") as client:
        stranger = await client.get(f"/internal/jobs/{request.generation_id}")
        client.headers["Authorization"] = "Bearer a secret token..."
        known = await client.get(f"/internal/jobs/{request.generation_id}")
        unknown = await client.get("/internal/jobs/00000000-0000-0000-0000-000000000000")

    assert (stranger.status_code, known.status_code, unknown.status_code) == (401, 200, 404)
    story = known.json()
    assert (story["state"], story["owner"]["id"]) == ("done", str(request.owner.id))
    assert [(a["attempt"], a["outcome"], a["worker"]) for a in story["attempts"]] == [(1, "done", process.owner)]
    assert [a["size"] for a in story["artefacts"]] == [len(world.objects.objects[a["key"]]) for a in story["artefacts"]]
    assert story["removals"] == []


async def test_random_lives_keep_the_tenants_counters_true(world: Any, ask: Ask) -> None:
    dice, owners = random.Random(7), [ask().owner for _ in range(3)]
    lives = [
        Simulation(picture=False),
        Simulation(delay_ms=30),
        Simulation(outcome="fail"),
        Simulation(delay_ms=900),
    ]
    one, other = world.process(), world.process()
    one.start()
    other.start()
    requests: list[RequestRender] = []
    for _ in range(40):
        batch = [ask(dice.choice(owners), simulate=dice.choice(lives)) for _ in range(dice.randint(1, 5))]
        requests += batch
        doomed = [CancelRender(generation_id=dice.choice(requests).generation_id) for _ in range(2)]
        await dice.choice([one, other]).handle(*batch, *doomed)
    await kill_and_expire_leases(world, one)

    for request in requests:
        await world.until(request.generation_id, "done", "failed", "cancelled")

    assert await world.find_miscounts() == []
    for request in requests:
        said = await world.events(request.generation_id)
        assert sum(name != "render_started" for name in said) == 1, said
