"""A lost answer is given again: a repeated request reports the job's state, and the job begins only once."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from atelier_contracts import CancelRender, DiscardRender, RequestRender, Simulation
from atelier_render.internal_api import internal_router

pytestmark = pytest.mark.stack
Ask = Callable[..., RequestRender]
Cancel = Callable[[RequestRender], CancelRender]
PICTURE = Simulation(picture=True)


def again(request: RequestRender) -> RequestRender:
    return request.model_copy(update={"again": True})


async def test_a_job_that_was_never_asked_for_begins(world: Any, ask: Ask) -> None:
    process, request = world.process(), ask()
    process.start()

    await process.handle(again(request))

    await world.until(request.generation_id, "done")
    assert await world.events(request.generation_id) == ["render_completed"]


async def test_a_finished_job_says_its_completion_again_word_for_word(world: Any, ask: Ask) -> None:
    process, request = world.process(), ask(simulate=PICTURE, n=2)
    process.start()
    await process.handle(request)
    await world.until(request.generation_id, "done")
    first = await completions(world, request)

    await process.handle(again(request))

    assert await completions(world, request) == first * 2
    assert first[0]["outputs"]


async def test_a_reused_result_is_said_to_be_reused_again(world: Any, ask: Ask) -> None:
    process, first = world.process(), ask(simulate=PICTURE)
    process.start()
    second = ask(first.owner, simulate=PICTURE, reuse=True)
    for request in (first, second):
        await process.handle(request)
        await world.until(request.generation_id, "done")

    await process.handle(again(second))

    assert [event["reused"] for event in await completions(world, second)] == [True, True]


async def test_what_is_kept_of_a_generation_is_its_job_and_the_keys_of_its_outputs(world: Any, ask: Ask) -> None:
    process, request, unknown = world.process(), ask(simulate=PICTURE, n=2), uuid4()
    process.start()
    await process.handle(request)
    await world.until(request.generation_id, "done")
    made = await world.pool.fetch("SELECT key FROM artefacts WHERE generation_id = $1", request.generation_id)
    app = FastAPI()
    app.include_router(internal_router(world.pool, SecretStr("token"), ()))
    transport, headers = httpx.ASGITransport(app=app), {"Authorization": "Bearer token"}
    ids = [str(request.generation_id), str(unknown)]

    async with httpx.AsyncClient(transport=transport, base_url="http://render", headers=headers) as http:
        before = (await http.post("/internal/outputs", json={"ids": ids})).json()["generations"]
        await process.handle(DiscardRender(generation_id=request.generation_id))
        after = (await http.post("/internal/outputs", json={"ids": ids})).json()["generations"]

    assert len(made) == 2
    assert [(each["id"], each["state"], set(each["outputs"])) for each in before] == [
        (ids[0], "done", {row["key"] for row in made})
    ]
    assert after == [{"id": ids[0], "state": "done", "outputs": []}]


async def test_a_cancelled_job_says_so_again(world: Any, ask: Ask, cancel: Cancel) -> None:
    process, request = world.process(), ask()
    await process.handle(request)
    await process.handle(cancel(request))

    await process.handle(again(request))

    assert await world.events(request.generation_id) == ["render_failed", "render_failed"]


async def test_a_job_that_waits_says_nothing_and_is_not_added_twice(world: Any, ask: Ask) -> None:
    process, request = world.process(), ask()
    await process.handle(request)

    await process.handle(again(request))

    assert await world.events(request.generation_id) == []
    assert await world.find_miscounts() == []


async def test_a_result_that_was_thrown_away_is_not_offered_again(world: Any, ask: Ask) -> None:
    process, request = world.process(), ask(simulate=PICTURE)
    process.start()
    await process.handle(request)
    await world.until(request.generation_id, "done")
    await process.handle(DiscardRender(generation_id=request.generation_id))

    await process.handle(again(request))

    assert len(await completions(world, request)) == 1


async def completions(world: Any, request: RequestRender) -> list[dict[str, Any]]:
    rows = await world.pool.fetch(
        "SELECT body FROM outbox WHERE name = 'render.render_completed.v1' AND body::jsonb ->> 'generation_id' = $1"
        " ORDER BY id",
        str(request.generation_id),
    )
    return [decode(row["body"]) for row in rows]


def decode(body: str) -> dict[str, Any]:
    import json

    found: dict[str, Any] = json.loads(body)
    return found
