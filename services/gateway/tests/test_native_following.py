"""Following a generation, its story, quotes and statements, and the pages that explain a problem."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx_sse import ServerSentEvent, aconnect_sse

from atelier_contracts import GenerationCancelled, GenerationFailed, RenderProgressed, RenderStarted
from atelier_gateway.surfaces.native import event_stream as following
from atelier_gateway.web.problems import KINDS, PROBLEM_ROOT

from .neighbours import silent
from .world import World

pytestmark = pytest.mark.stack
IMAGE = {"kind": "image", "prompt": "a cat", "size": "256x256"}
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def create(world: World, headers: dict[str, str]) -> UUID:
    generation = UUID((await world.client.post("/v1/generations", headers=headers, json=IMAGE)).json()["id"])
    await projected(world, generation, "state = 'queued'")
    return generation


async def projected(world: World, generation: UUID, shows: str) -> None:
    sql = f"SELECT count(*) FROM generations WHERE id = $1 AND {shows}"

    async def looks_so() -> bool:
        return bool(await world.pool.fetchval(sql, generation))

    await world.until(looks_so)


async def render(world: World, generation: UUID) -> None:
    """Begins, comes half way, fails; each is projected before the next is said."""
    events = [
        (RenderStarted(generation_id=generation, attempt=1), "state = 'rendering'"),
        (RenderProgressed(generation_id=generation, progress=50), "progress = 50"),
        (
            GenerationFailed(generation_id=generation, outcome="failed", code="refused", reason="no face", refunded=1),
            "rank = 9",
        ),
    ]
    for event, shows in events:
        await world.neighbours.say(event)
        await projected(world, generation, shows)


async def follow(world: World, headers: dict[str, str], generation: UUID, last_id: str | None = None) -> list[Any]:
    """(id, event, data) of all that a stream tells until it ends."""
    resumed = {"Last-Event-ID": last_id} if last_id else {}
    answered = await world.client.get(f"/v1/generations/{generation}/events", headers=headers | resumed)
    assert answered.status_code == 200, answered.text
    assert answered.headers["content-type"].startswith("text/event-stream")
    told = []
    for block in answered.text.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.split("\n") if not line.startswith(":"))
        if "data" in fields:
            told.append((fields.get("id"), fields["event"], json.loads(fields["data"])))
    return told


async def test_a_stream_tells_every_step_and_ends_with_the_generation(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    following_it = asyncio.create_task(follow(world, headers, generation))

    await render(world, generation)
    told = await following_it

    assert [name for _, name, _ in told] == ["queued", "rendering", "rendering", "failed"]
    assert [data["progress"] for _, _, data in told] == [0, 0, 50, 50]
    assert told[-1][2]["error"]["message"] == "no face" and told[-1][2]["credits"]["refunded"] == 1


async def test_a_stock_sse_library_finds_data_in_each_event_also_past_heartbeats(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "HEARTBEAT_S", 0.0)
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.01)
    _, headers = await world.user()
    generation = await create(world, headers)
    following_it = asyncio.create_task(read_by_a_stock_library(world, headers, generation))

    await render(world, generation)
    events = await following_it

    assert [event.event for event in events] == ["queued", "rendering", "rendering", "failed"]
    assert [event.json()["status"] for event in events] == [event.event for event in events]
    assert events[0].retry == following.RETRY_MS


async def read_by_a_stock_library(world: World, headers: dict[str, str], generation: UUID) -> list[ServerSentEvent]:
    path = f"/v1/generations/{generation}/events"
    async with aconnect_sse(world.client, "GET", path, headers=headers) as source:
        return [event async for event in source.aiter_sse()]


async def test_a_heartbeat_ends_no_block(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "HEARTBEAT_S", 0.0)
    _, headers = await world.user()
    generation = await create(world, headers)
    following_it = asyncio.create_task(world.client.get(f"/v1/generations/{generation}/events", headers=headers))

    await render(world, generation)
    text = (await following_it).text

    blocks = [[line for line in block.split("\n") if line] for block in text.split("\n\n") if block]
    assert ": still here" in text
    assert all(any(line.startswith("data: ") for line in block) for block in blocks), blocks


async def test_a_stream_goes_on_after_the_last_event_that_was_seen(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    await render(world, generation)
    whole = await follow(world, headers, generation)

    rest = await follow(world, headers, generation, whole[1][0])
    over = await world.client.get(
        f"/v1/generations/{generation}/events", headers=headers | {"Last-Event-ID": whole[-1][0]}
    )

    assert rest == whole[2:]
    assert (over.status_code, over.content) == (204, b"")


async def test_a_stream_of_events_that_are_forgotten_tells_how_it_ended(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    await render(world, generation)
    await world.pool.execute("DELETE FROM generation_events")

    told = await follow(world, headers, generation)

    assert [(id_, name) for id_, name, _ in told] == [(None, "failed")]


async def test_an_id_that_is_none_of_ours_is_400(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)

    for strange in ("x", "-1", "9" * 19):
        refused = await world.client.get(
            f"/v1/generations/{generation}/events", headers=headers | {"Last-Event-ID": strange}
        )
        assert refused.status_code == 400


async def test_streams_are_bounded_and_say_that_they_live(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "STREAMS_OF_OWNER_MAX", 1)
    monkeypatch.setattr(following, "HEARTBEAT_S", 0.3)
    monkeypatch.setattr(following, "LOOK_EVERY_S", 0.1)
    _, headers = await world.user()
    generation = await create(world, headers)
    path = f"/v1/generations/{generation}/events"
    first = asyncio.create_task(world.client.get(path, headers=headers))
    await asyncio.sleep(1.0)

    refused = await world.client.get(path, headers=headers)
    await world.neighbours.say(GenerationCancelled(generation_id=generation, refunded=1))
    told = (await first).text

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")
    assert told.count(": still here") >= 2
    assert (await world.client.get(path, headers=headers)).status_code == 200


async def test_an_owner_is_told_the_story_without_what_is_internal(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    await render(world, generation)
    steps = [("new", "reserving"), ("reserving", "queued"), ("queued", "rendering"), ("rendering", "refunding")]
    log = [
        {
            "at": (AT + timedelta(seconds=second)).isoformat(),
            "state_from": before,
            "message": "render.render_started.v1",
            "message_id": "01a1fc2b-e840-76c4-840b-55c1df4115f5",
            "outcome": "transition",
            "state_to": after,
            "sent": ["billing.refund_credit.v1"],
        }
        for second, (before, after) in enumerate(steps)
    ]
    posted = [
        {"at": AT.isoformat(), "kind": kind, "debit": "a", "credit": "b", "credits": 1}
        for kind in ("reserve", "refund")
    ]
    world.neighbours.records[f"generations/{generation}"] = {"state": "failed", "log": log}
    world.neighbours.records[f"holds/{generation}"] = {"state": "refunded", "credits": 1, "postings": posted}

    story = await world.client.get(f"/v1/generations/{generation}/explain", headers=headers)

    told = [step["what"] for step in story.json()["steps"]]
    assert story.json()["status"] == "failed"
    assert "no face" in story.json()["summary"] and "returned 1" in story.json()["summary"]
    assert "its rendering began" in told and "1 credit was returned" in told
    assert all(set(step) == {"at", "what"} for step in story.json()["steps"])
    assert not any(word in story.text for word in ("render.", "billing", "message", "worker", "refund_credit"))


async def test_a_quote_is_what_a_create_reserves_and_writes_nothing(world: World) -> None:
    _, headers = await world.user()
    body = {"kind": "image", "prompt": "a cat", "size": "1024x1024", "quality": "hd", "n": 3}

    quote = await world.client.post("/v1/quotes", headers=headers, json=body)
    created = await world.client.post("/v1/generations", headers=headers, json=body)

    assert quote.status_code == 200
    assert quote.json()["credits"] == created.json()["credits"]["reserved"] == 60
    assert quote.json()["price_book"] == "v2"
    assert datetime.fromisoformat(quote.json()["expires_at"]) > datetime.now(UTC)
    assert (await world.rows())["generations"] == 1


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"kind": "image", "prompt": "a cat", "quality": "gold"}, 422, "unpriced"),
        ({"kind": "image"}, 400, "invalid_request"),
        ({"kind": "image", "prompt": "a cat", "credits": 0}, 400, "invalid_request"),
    ],
)
async def test_what_cannot_be_created_cannot_be_quoted(
    world: World, body: dict[str, Any], status: int, code: str
) -> None:
    _, headers = await world.user()

    refusals = [await world.client.post(path, headers=headers, json=body) for path in ("/v1/quotes", "/v1/generations")]

    assert {(refusal.status_code, refusal.json()["code"]) for refusal in refusals} == {(status, code)}
    assert refusals[0].content == refusals[1].content


async def test_the_balance_and_the_statement_are_the_owners(world: World) -> None:
    user, headers = await world.user()
    entries: list[dict[str, Any]] = [
        {
            "id": f"01a1fc2b-e840-76c4-840b-{number:012d}",
            "at": AT.isoformat(),
            "kind": "grant",
            "debit": "granted",
            "credit": "available",
            "credits": number,
            "generation_id": None,
            "grant_id": "x",
        }
        for number in (3, 2, 1)
    ]
    world.neighbours.records[f"accounts/user/{user}/entries"] = entries

    balance = await world.client.get("/v1/credits", headers=headers)
    first = (await world.client.get("/v1/credits/entries?limit=2", headers=headers)).json()
    query = f"limit=2&cursor={first['next_cursor']}"
    second = (await world.client.get(f"/v1/credits/entries?{query}", headers=headers)).json()

    assert balance.json()["available"] == 7
    assert [entry["credits"] for entry in first["data"] + second["data"]] == [3, 2, 1]
    assert second["next_cursor"] is None
    assert "grant_id" not in first["data"][0]
    for path in ("/v1/credits", "/v1/credits/entries"):
        assert (await world.client.get(path)).status_code == 401
    assert (await world.client.get("/v1/credits/entries?limit=0", headers=headers)).status_code == 400


async def test_every_problem_has_a_page_that_says_what_to_do(world: World) -> None:
    for code, (status, title) in KINDS.items():
        page = await world.client.get(f"/problems/{code}")

        assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
        assert title in page.text and f"{PROBLEM_ROOT}/{code}" in page.text and str(status) in page.text
        assert page.text.count("<p></p>") == 0, f"no advice for {code}"
    unknown = await world.client.get("/problems/<script>")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


async def test_the_description_names_every_answer_of_every_route(world: World) -> None:
    described = (await world.client.get("/openapi.json")).json()["paths"]
    ours = {path: routes for path, routes in described.items() if path.startswith(("/v1/generations", "/v1/credits"))}

    assert {path.rsplit("/", 1)[-1] for path in ours} >= {"cancel", "events", "explain", "receipt", "entries"}
    for path, routes in ours.items():
        for method, route in routes.items():
            assert {"401", "403", "500", "503"} <= set(route["responses"]), f"{method} {path}"
            assert "HTTPValidationError" not in json.dumps(route), f"{method} {path}"


async def test_a_hundred_equal_posts_at_once_are_one_generation(world: World) -> None:
    _, headers = await world.user()
    world.neighbours.answer = silent
    world.neighbours.verdict = "queued"
    keyed = headers | {"Idempotency-Key": "k"}

    replies = await asyncio.gather(
        *(world.client.post("/v1/generations", headers=keyed, json=IMAGE) for _ in range(100))
    )

    made = [reply for reply in replies if reply.status_code == 201]
    early = [reply for reply in replies if reply.status_code != 201]
    assert made and len({reply.content for reply in made}) == 1
    assert all((reply.status_code, reply.json()["code"]) == (409, "request_in_progress") for reply in early)
    again = await world.client.post("/v1/generations", headers=keyed, json=IMAGE)
    assert (again.status_code, again.content, again.headers["Idempotency-Replayed"]) == (201, made[0].content, "true")
    assert len(world.neighbours.started) == 1
    assert (await world.rows())["generations"] == 1
