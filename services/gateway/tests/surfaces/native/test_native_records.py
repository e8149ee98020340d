"""What is said about a generation: its timeline, quotes, balances, problem pages, the description of the routes."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atelier_gateway.web.problems import PROBLEM_ROOT, PROBLEM_TYPES

from ...support.event_streams import render_and_fail
from ...support.native import IMAGE, create
from ...support.neighbours import ignore
from ...support.world import World

pytestmark = pytest.mark.stack
AT = datetime(2026, 1, 1, 12, tzinfo=UTC)


async def test_an_owner_is_told_the_story_without_what_is_internal(world: World) -> None:
    _, headers = await world.user()
    generation = await create(world, headers)
    await render_and_fail(world, generation)
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
    assert quote.json()["price_book"] == "v3"
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
    for code, (status, title) in PROBLEM_TYPES.items():
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


@pytest.mark.usefixtures("short_waits")
async def test_a_hundred_equal_posts_at_once_are_one_generation(world: World) -> None:
    _, headers = await world.user()
    world.neighbours.answer = ignore
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
