"""What an operator finds afterwards: log lines of a generation and of each request, and a story with its gaps named."""

import logging
from typing import Any
from uuid import UUID, uuid4

import pytest

from atelier_contracts import GenerationFailed

from ..support.neighbours import decline
from ..support.world import ADMIN, World

pytestmark = pytest.mark.stack
IMAGE = {"kind": "image", "prompt": "a cat", "size": "256x256"}


async def test_an_admission_and_an_end_are_one_line_each_with_what_is_searched_for(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="atelier_gateway")
    store, headers = await world.store()

    created = await world.client.post("/v1/generations", headers=headers, json=IMAGE)
    id_ = created.json()["id"]
    failed = GenerationFailed(
        generation_id=UUID(id_), outcome="failed", code="provider_failed", reason="it broke", refunded=3
    )
    await world.neighbours.say(failed)
    await world.until(lambda: _is_shown_as(world, headers, id_, "failed"))

    admitted, ended = [vars(record) for record in caplog.records if getattr(record, "generation_id", None) == id_]
    origin = {"owner": f"store:{store}", "surface": "native", "request_id": created.headers["X-Request-Id"]}
    assert {name: admitted[name] for name in origin} == {name: ended[name] for name in origin} == origin
    assert (admitted["state"], admitted["credits"], admitted["code"]) == ("accepted", 3, None)
    assert (ended["state"], ended["credits"], ended["code"]) == ("failed", 0, "provider_failed")
    assert ended["credits_returned"] == 3
    assert admitted["seconds"] >= 0 and ended["seconds"] >= 0


async def test_a_refused_admission_is_a_line_too(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="atelier_gateway.generations.generation_log")
    world.neighbours.answer = decline
    _, headers = await world.store()

    assert (await world.client.post("/v1/generations", headers=headers, json=IMAGE)).status_code == 402

    refused = [vars(record) for record in caplog.records if record.getMessage().endswith("(insufficient_credits)")]
    assert refused and refused[0]["state"] == "rejected"


async def test_each_answer_has_an_access_line_with_its_request_id_and_without_its_query(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="atelier_gateway.access")

    answered = await world.client.get("/v1/generations?api_key=canary-4711")
    await world.client.get("/health/live")

    (line,) = [vars(record) for record in caplog.records if record.name == "atelier_gateway.access"]
    assert line["request_id"] == answered.headers["X-Request-Id"]
    assert (line["method"], line["path"], line["status"]) == ("GET", "/v1/generations", 401)
    assert "canary" not in str(line)


@pytest.mark.parametrize(("kind", "service"), [("generations", "session"), ("holds", "billing"), ("jobs", "render")])
async def test_a_story_is_told_by_the_services_that_answer_and_names_the_one_that_does_not(
    world: World, kind: str, service: str
) -> None:
    store, headers = await world.store()
    created = await world.client.post("/v1/generations", headers=headers, json=IMAGE)
    id_ = created.json()["id"]
    world.neighbours.broken.add(kind)

    told = await world.client.get(f"/v1/admin/generations/{id_}/explain", headers=ADMIN)
    own = await world.client.get(f"/v1/generations/{id_}/explain", headers=headers)

    assert told.status_code == own.status_code == 200
    (gap,) = told.json()["missing"]
    assert gap["service"] == service and "503" in gap["reason"] and gap["lacks"]
    assert service in told.json()["summary"]
    assert told.json()["owner"] == {"kind": "store", "id": str(store)}
    assert told.json()["request_id"] == created.headers["X-Request-Id"]
    assert own.json()["is_complete"] is (service == "render")


async def test_a_whole_story_has_no_gaps(world: World) -> None:
    _, headers = await world.store()
    id_ = (await world.client.post("/v1/generations", headers=headers, json=IMAGE)).json()["id"]

    assert (await _story(world, id_))["missing"] == []
    assert (await world.client.get(f"/v1/generations/{id_}/explain", headers=headers)).json()["is_complete"] is True


async def test_whether_a_generation_exists_is_not_known_while_a_service_that_may_know_it_is_silent(
    world: World,
) -> None:
    world.neighbours.broken.add("generations")

    unknown = await world.client.get(f"/v1/admin/generations/{uuid4()}/explain", headers=ADMIN)

    assert (unknown.status_code, unknown.json()["code"]) == (503, "unavailable")
    assert "session" in unknown.json()["detail"]


async def _story(world: World, id_: str) -> dict[str, Any]:
    story: dict[str, Any] = (await world.client.get(f"/v1/admin/generations/{id_}/explain", headers=ADMIN)).json()
    return story


async def _is_shown_as(world: World, headers: dict[str, str], id_: str, status: str) -> bool:
    return bool((await world.client.get(f"/v1/generations/{id_}", headers=headers)).json()["status"] == status)
