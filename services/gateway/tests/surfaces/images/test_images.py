"""Seed 003 on real servers: pictures for workspaces, waited for, charged by the picture."""

import asyncio
from uuid import uuid4

import pytest

from ...support.workspace import ASYNC, PATH, Team, deliver, fail_with_reason, team_of
from ...support.world import World

pytestmark = pytest.mark.stack


@pytest.fixture
async def team(world: World) -> Team:
    return await team_of(world)


async def test_the_answer_waits_for_the_picture(team: Team) -> None:
    """003.4 200 with the picture, what it cost, what is left, and who made it."""
    reply = await team.ask_and_hear(deliver(1, 10))

    data = reply.json()["data"]
    assert (reply.status_code, reply.json()["success"], data["status"]) == (200, True, "COMPLETED")
    assert data["images"][0]["url"].startswith("http") and data["images"][0]["format"] == "png"
    assert data["credits"] == {"reserved": 1, "used": 10, "remaining": 7}
    assert (data["provider"], data["model"]) == ("local", "dall-e-3")


async def test_what_is_asked_reaches_the_session_mapped_and_priced(team: Team) -> None:
    """003.1, 003.3, 003.6 Size, quality, number and the provider's style; the workspace pays."""
    await team.ask(ASYNC, size="1792x1024", quality="hd", style="artistic", n=3, model="dall-e-3", provider="openai")

    asked = team.last_request()
    assert (asked.owner.kind, asked.owner.id) == ("workspace", team.id)
    assert (asked.work.size, asked.work.quality, asked.work.n) == ("1792x1024", "hd", 3)
    spec = asked.spec
    assert (spec.size, spec.quality, spec.style, spec.n, spec.model) == ("1792x1024", "hd", "vivid", 3, "dall-e-3")
    assert (spec.prompt, spec.provider) == ("a red bicycle", "openai")
    assert await team.world.pool.fetchval("SELECT price FROM generations") == 90


async def test_three_of_five_made_are_charged_as_three(team: Team) -> None:
    """003.2 The estimate is reserved, the actual charged, the rest released."""
    reply = await team.ask_and_hear(deliver(3, 3), n=5, model="dall-e-2", size="256x256")

    data = reply.json()["data"]
    assert (len(data["images"]), data["credits"]["used"]) == (3, 9)
    assert team.last_request().work.n == 5
    assert await team.world.pool.fetchval("SELECT credits_refunded FROM generations") == 6


async def test_a_failure_while_we_wait_is_503_and_leaves_a_readable_record(team: Team) -> None:
    """003.2, 003.4 Failure returns all; its failed record is at its id."""
    reply = await team.ask_and_hear(fail_with_reason)

    error = reply.json()["error"]
    assert (reply.status_code, reply.json()["success"], error["code"]) == (503, False, "PROVIDER_UNAVAILABLE")
    assert "provider is on fire" in error["message"]
    record = (await team.read(error["details"]["id"])).json()["data"]
    assert (record["status"], record["credits"]["used"], record["images"]) == ("FAILED", 0, [])
    assert record["record"]["error"] == "the provider is on fire"
    assert error["details"]["status_url"] == f"{PATH}/{record['id']}"


@pytest.mark.usefixtures("short_waits")
async def test_a_passed_deadline_answers_202_with_a_status_url(team: Team) -> None:
    """003.4 A passed deadline; the picture can be had later."""
    reply = await team.ask()

    data = reply.json()["data"]
    assert (reply.status_code, data["status"], data["status_url"]) == (202, "PENDING", f"{PATH}/{data['id']}")
    await team.world.neighbours.say(deliver(1, 10)(team.last_request()))

    async def is_completed() -> bool:
        shown = await team.world.client.get(data["status_url"], headers=team.headers)
        return bool(shown.json()["data"]["status"] == "COMPLETED")

    await team.world.until(is_completed)


async def test_who_prefers_not_to_wait_is_answered_at_once(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    """003.4 Prefer: respond-async."""
    monkeypatch.setattr(team.world.container.waiter, "wait_until_ended", None)  # a create that waits breaks
    reply = await team.ask({"Prefer": "handling=lenient, Respond-Async; x=1"})

    assert reply.status_code == 202


async def test_the_record_has_the_fields_of_the_seeds_model(team: Team) -> None:
    """003.6 model Generation."""
    id_ = (await team.ask_and_hear(deliver(1, 10))).json()["data"]["id"]

    record = (await team.read(id_)).json()["data"]["record"]
    assert record.pop("createdAt") <= record.pop("completedAt")
    assert record.pop("result").startswith("http")
    assert record == {
        "id": id_,
        "workspaceId": str(team.id),
        "userId": str(team.user),
        "type": "IMAGE",
        "model": "dall-e-3",
        "provider": "local",
        "prompt": "a red bicycle",
        "tokens": 0,
        "credits": 10,
        "status": "COMPLETED",
        "error": None,
    }


async def test_a_list_is_newest_first_and_the_workspaces_own(team: Team) -> None:
    """003.1 list, page by page."""
    made = [(await team.ask(ASYNC)).json()["data"]["id"] for _ in range(3)]
    other = await team_of(team.world)

    first = (await team.world.client.get(f"{PATH}?limit=2", headers=team.headers)).json()["data"]
    rest = await team.world.client.get(f"{PATH}?limit=2&cursor={first['nextCursor']}", headers=team.headers)
    strangers = await team.world.client.get(PATH, headers=other.headers)

    assert [item["id"] for item in first["items"]] == made[:0:-1]
    assert [item["id"] for item in rest.json()["data"]["items"]] == made[:1]
    assert strangers.json()["data"]["items"] == []


async def test_the_same_key_is_the_same_generation(team: Team) -> None:
    """003.1, settled question 6; also when the first waited and the second comes after the end."""
    key = {"Idempotency-Key": "k1"}
    first = await team.ask(key | ASYNC)
    again = await team.ask(key | ASYNC)
    other = await team.ask(key, n=2)
    await team.world.neighbours.say(deliver(1, 10)(team.last_request()))
    late = await team.ask(key)

    assert (first.content, again.headers["Idempotency-Replayed"]) == (again.content, "true")
    assert (other.status_code, other.json()["error"]["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert (late.status_code, late.json()["data"]["id"]) == (200, first.json()["data"]["id"])
    assert len(team.world.neighbours.started) == 1


async def test_an_image_and_a_mask_are_inputs_of_the_render(team: Team) -> None:
    """003.7 Image editing: edits and variations."""
    pictures = {role: f"https://cdn.shop-pictures.net/{role}.png" for role in ("image", "mask")}

    reply = await team.ask(ASYNC, **pictures)
    foreign = await team.ask(image=f"workspaces/{uuid4()}/uploads/{uuid4()}/a.png")

    assert reply.status_code == 202
    assert [(ref.role, ref.url) for ref in team.last_request().spec.inputs] == list(pictures.items())
    assert (foreign.status_code, foreign.json()["error"]["details"]["errors"][0]["field"]) == (400, "image")


async def test_fifty_equal_posts_at_once_are_one_generation(team: Team) -> None:
    """003.2, settled question 6: one generation, one reservation."""
    key = {"Idempotency-Key": "once"}

    replies = await asyncio.gather(*(team.ask(key | ASYNC) for _ in range(50)))

    accepted = {reply.json()["data"]["id"] for reply in replies if reply.status_code == 202}
    assert {reply.status_code for reply in replies} <= {202, 409}
    assert len(accepted) == len(team.world.neighbours.started) == 1
