"""Seed 003 on real servers: pictures for workspaces, waited for, charged by the picture."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from atelier_contracts import (
    Artefact,
    GenerationFailed,
    GenerationRejected,
    GenerationRequested,
    GenerationSucceeded,
    Message,
)
from atelier_storage.keys import artefact_key

from .neighbours import queued
from .world import ADMIN, World

pytestmark = pytest.mark.stack
PATH = "/api/ai/images"
PROMPT = {"prompt": "a red bicycle"}
ASYNC = {"Prefer": "respond-async"}


class Team:
    """A workspace and a member of it."""

    def __init__(self, world: World, user: UUID, workspace: UUID, headers: dict[str, str]) -> None:
        self.world, self.user, self.id = world, user, workspace
        self.token = headers
        self.headers = headers | {"X-Workspace-Id": str(workspace)}

    async def ask(self, more: dict[str, str] | None = None, **body: Any) -> httpx.Response:
        """POSTs a prompt."""
        return await self.world.client.post(PATH, headers=self.headers | (more or {}), json=PROMPT | body)

    async def ask_and_hear(self, ends: Callable[[GenerationRequested], Message], **body: Any) -> httpx.Response:
        """POSTs, and while that waits the session tells how it ended."""
        waiting = asyncio.create_task(self.ask(**body))
        await self.world.until(self._started)
        await self.world.neighbours.say(ends(self.requested()))
        return await waiting

    def requested(self) -> GenerationRequested:
        """What reached the session."""
        message = self.world.neighbours.heard[-1].message
        assert isinstance(message, GenerationRequested)
        return message

    async def read(self, id_: object) -> httpx.Response:
        """Its record."""
        return await self.world.client.get(f"{PATH}/{id_}", headers=self.headers)

    async def _started(self) -> bool:
        return bool(self.world.neighbours.started)


@pytest.fixture
async def team(world: World) -> Team:
    return await team_of(world)


async def team_of(world: World) -> Team:
    user, headers = await world.user()
    body = {"name": "W", "member_ids": [str(user)]}
    made = await world.client.post("/v1/admin/workspaces", headers=ADMIN, json=body)
    return Team(world, user, UUID(made.json()["id"]), headers)


def delivered(count: int, unit: int) -> Callable[[GenerationRequested], Message]:
    """So many of the pictures are made, each at this price."""

    def ends(request: GenerationRequested) -> Message:
        keys = [
            artefact_key("workspace", request.owner.id, request.generation_id, index, "png") for index in range(count)
        ]
        outputs = tuple(
            Artefact(key=key, content_type="image/png", size=3, sha256="ab" * 32, width=1024, height=1024)
            for key in keys
        )
        return GenerationSucceeded(
            generation_id=request.generation_id,
            outputs=outputs,
            delivered=count,
            captured=count * unit,
            refunded=(request.work.n - count) * unit,
            provider="local",
        )

    return ends


def failed(request: GenerationRequested) -> Message:
    return GenerationFailed(
        generation_id=request.generation_id,
        outcome="failed",
        code="provider_failed",
        reason="the provider is on fire",
        refunded=10,
    )


async def test_the_answer_waits_for_the_picture(team: Team) -> None:
    """003.4 200 with the picture, what it cost, what is left, and who made it."""
    reply = await team.ask_and_hear(delivered(1, 10))

    data = reply.json()["data"]
    assert (reply.status_code, reply.json()["success"], data["status"]) == (200, True, "COMPLETED")
    assert data["images"][0]["url"].startswith("http") and data["images"][0]["format"] == "png"
    assert data["credits"] == {"reserved": 1, "used": 10, "remaining": 7}
    assert (data["provider"], data["model"]) == ("local", "dall-e-3")


async def test_what_is_asked_reaches_the_session_mapped_and_priced(team: Team) -> None:
    """003.1, 003.3, 003.6 Size, quality, number and the provider's style; the workspace pays."""
    await team.ask(ASYNC, size="1792x1024", quality="hd", style="artistic", n=3, model="dall-e-3", provider="openai")

    asked = team.requested()
    assert (asked.owner.kind, asked.owner.id) == ("workspace", team.id)
    assert (asked.work.size, asked.work.quality, asked.work.n) == ("1792x1024", "hd", 3)
    spec = asked.spec
    assert (spec.size, spec.quality, spec.style, spec.n, spec.model) == ("1792x1024", "hd", "vivid", 3, "dall-e-3")
    assert (spec.prompt, spec.provider) == ("a red bicycle", "local")
    assert await team.world.pool.fetchval("SELECT price FROM generations") == 90


async def test_three_of_five_made_are_charged_as_three(team: Team) -> None:
    """003.2 The estimate is reserved, the actual charged, the rest released."""
    reply = await team.ask_and_hear(delivered(3, 3), n=5, model="dall-e-2", size="256x256")

    data = reply.json()["data"]
    assert (len(data["images"]), data["credits"]["used"]) == (3, 9)
    assert team.requested().work.n == 5
    assert await team.world.pool.fetchval("SELECT credits_refunded FROM generations") == 6


async def test_a_failure_while_we_wait_is_503_and_leaves_a_readable_record(team: Team) -> None:
    """003.2, 003.4 Failure returns all; its failed record is at its id."""
    reply = await team.ask_and_hear(failed)

    error = reply.json()["error"]
    assert (reply.status_code, reply.json()["success"], error["code"]) == (503, False, "PROVIDER_UNAVAILABLE")
    assert "provider is on fire" in error["message"]
    record = (await team.read(error["details"]["id"])).json()["data"]
    assert (record["status"], record["credits"]["used"], record["images"]) == ("FAILED", 0, [])
    assert record["record"]["error"] == "the provider is on fire"
    assert error["details"]["status_url"] == f"{PATH}/{record['id']}"


async def test_a_passed_deadline_answers_202_with_a_status_url(team: Team) -> None:
    """003.4 A passed deadline; the picture can be had later."""
    reply = await team.ask()

    data = reply.json()["data"]
    assert (reply.status_code, data["status"], data["status_url"]) == (202, "PENDING", f"{PATH}/{data['id']}")
    await team.world.neighbours.say(delivered(1, 10)(team.requested()))

    async def completed() -> bool:
        shown = await team.world.client.get(data["status_url"], headers=team.headers)
        return bool(shown.json()["data"]["status"] == "COMPLETED")

    await team.world.until(completed)


async def test_who_prefers_not_to_wait_is_answered_at_once(team: Team) -> None:
    """003.4 Prefer: respond-async."""
    started = asyncio.get_running_loop().time()
    reply = await team.ask({"Prefer": "handling=lenient, Respond-Async; x=1"})

    assert reply.status_code == 202
    assert asyncio.get_running_loop().time() - started < 1.0


async def test_the_record_has_the_fields_of_the_seeds_model(team: Team) -> None:
    """003.6 model Generation."""
    id_ = (await team.ask_and_hear(delivered(1, 10))).json()["data"]["id"]

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


async def test_the_workspace_comes_from_the_header_or_the_body(team: Team) -> None:
    """003.1 workspace from X-Workspace-Id or body."""
    client, body = team.world.client, PROMPT | {"workspaceId": str(team.id)}

    in_body = await client.post(PATH, headers=team.token | ASYNC, json=body)
    missing = await client.post(PATH, headers=team.token, json=PROMPT)
    contradicting = await client.post(PATH, headers=team.headers, json=PROMPT | {"workspaceId": str(uuid4())})

    assert in_body.status_code == 202
    assert (missing.status_code, missing.json()["error"]["code"]) == (400, "WORKSPACE_REQUIRED")
    assert contradicting.status_code == 400
    assert missing.json()["error"]["details"]["errors"][0]["field"] == "workspaceId"


async def test_an_unknown_and_a_foreign_workspace_are_403_alike(team: Team) -> None:
    """003.4 Not a member."""
    other = await team_of(team.world)

    replies = [
        await team.ask({"X-Workspace-Id": workspace}) for workspace in (str(other.id), str(uuid4()), "not an id")
    ]

    assert {(reply.status_code, reply.content) for reply in replies} == {(403, replies[0].content)}
    assert replies[0].json()["error"]["code"] == "FORBIDDEN"
    assert (await team.world.rows())["generations"] == 0


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"prompt": ""}, "VALIDATION_ERROR", "prompt"),
        ({"prompt": "x" * 4_001}, "VALIDATION_ERROR", "prompt"),
        ({"prompt": None}, "VALIDATION_ERROR", "prompt"),
        ({"n": 0}, "VALIDATION_ERROR", "n"),
        ({"n": 11}, "VALIDATION_ERROR", "n"),
        ({"n": "2"}, "VALIDATION_ERROR", "n"),
        ({"provider": "acme"}, "VALIDATION_ERROR", "provider"),
        ({"model": "dall-e-9"}, "VALIDATION_ERROR", "model"),
        ({"size": "256x256"}, "INVALID_SIZE", "size"),
        ({"size": "1x1"}, "INVALID_SIZE", "size"),
        ({"model": "dall-e-2", "size": "512x512", "quality": "hd"}, "VALIDATION_ERROR", "quality"),
        ({"quality": "ultra"}, "VALIDATION_ERROR", "quality"),
        ({"style": "baroque"}, "VALIDATION_ERROR", "style"),
        ({"mask": "https://cdn.shop-pictures.net/mask.png"}, "VALIDATION_ERROR", "image"),
        ({"credits": 0}, "VALIDATION_ERROR", "credits"),
    ],
)
async def test_what_is_not_valid_is_400_naming_the_field(
    team: Team, body: dict[str, Any], code: str, field: str
) -> None:
    """003.1, 003.3, 003.4 Field-level messages; nothing is left behind."""
    reply = await team.ask(**body)

    error = reply.json()["error"]
    assert (reply.status_code, reply.json()["success"], error["code"]) == (400, False, code)
    assert error["details"]["errors"][0]["field"] == field
    assert set((await team.world.rows()).values()) == {0}


async def test_without_credits_the_answer_is_402_with_both_amounts(team: Team) -> None:
    """003.4 Credit errors show required and available."""
    team.world.neighbours.answer = lambda request: GenerationRejected(
        generation_id=request.generation_id, reason="insufficient_credits", required=20, available=5
    )

    reply = await team.ask(quality="hd")

    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (402, "INSUFFICIENT_CREDITS")
    assert error["details"] == {"required": 20, "available": 5}
    assert (await team.world.rows())["generations"] == 0


async def test_without_a_valid_token_the_answer_is_401(team: Team) -> None:
    """003.4 Unauthorized; a store's key is no user."""
    _, store = await team.world.store()

    for headers in ({}, {"Authorization": "Bearer x"}, store):
        reply = await team.world.client.post(PATH, headers=headers, json=PROMPT)
        assert (reply.status_code, reply.json()["error"]["code"]) == (401, "UNAUTHORIZED")


async def test_the_sixty_first_request_in_a_minute_is_429(team: Team) -> None:
    """003.5 Per user; refused requests count; RateLimit headers tell."""
    first = await team.ask(ASYNC)
    await asyncio.gather(*(team.ask(n=0) for _ in range(59)))
    last = await team.ask(ASYNC)

    assert first.status_code == 202
    assert '"images-user";q=60;w=60' in first.headers["RateLimit-Policy"]
    assert '"images-workspace";q=1000;w=3600' in first.headers["RateLimit-Policy"]
    assert '"images-ip";q=100;w=60' in first.headers["RateLimit-Policy"]
    assert '"images-user";r=59' in first.headers["RateLimit"]
    assert (last.status_code, last.json()["error"]["code"]) == (429, "RATE_LIMIT_EXCEEDED")
    assert 1 <= int(last.headers["Retry-After"]) <= 60
    assert '"images-user";r=0' in last.headers["RateLimit"]


async def test_an_address_has_a_hundred_requests_a_minute_whoever_asks(world: World) -> None:
    """003.5 Per IP."""
    teams = [await team_of(world) for _ in range(3)]
    here = {"X-Forwarded-For": "203.0.113.7"}

    replies = await asyncio.gather(*(teams[index % 3].ask(here, n=0) for index in range(102)))

    assert sorted(reply.status_code for reply in replies)[-3:] == [400, 429, 429]
    elsewhere = await teams[0].ask({"X-Forwarded-For": "203.0.113.8"}, n=0)
    assert elsewhere.status_code == 400


async def test_a_list_is_newest_first_and_the_workspaces_own(team: Team) -> None:
    """003.1 list, page by page."""
    made = [(await team.ask(ASYNC)).json()["data"]["id"] for _ in range(3)]
    other = await team_of(team.world)

    first = (await team.world.client.get(f"{PATH}?limit=2", headers=team.headers)).json()["data"]
    rest = await team.world.client.get(f"{PATH}?limit=2&cursor={first['nextCursor']}", headers=team.headers)
    strangers = await team.world.client.get(PATH, headers=other.headers)

    assert [one["id"] for one in first["items"]] == made[:0:-1]
    assert [one["id"] for one in rest.json()["data"]["items"]] == made[:1]
    assert strangers.json()["data"]["items"] == []


async def test_another_workspaces_id_is_answered_as_an_unknown_one(team: Team) -> None:
    """003.1, settled question 2."""
    id_ = (await team.ask(ASYNC)).json()["data"]["id"]
    other = await team_of(team.world)

    replies = [await other.read(one) for one in (id_, uuid4(), "x")]

    assert {(reply.status_code, reply.content) for reply in replies} == {(404, replies[0].content)}
    assert replies[0].json()["error"]["code"] == "NOT_FOUND"


async def test_the_same_key_is_the_same_generation(team: Team) -> None:
    """003.1, settled question 6; also when the first waited and the second comes after the end."""
    key = {"Idempotency-Key": "k1"}
    first = await team.ask(key | ASYNC)
    again = await team.ask(key | ASYNC)
    other = await team.ask(key, n=2)
    await team.world.neighbours.say(delivered(1, 10)(team.requested()))
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
    assert [(one.role, one.url) for one in team.requested().spec.inputs] == list(pictures.items())
    assert (foreign.status_code, foreign.json()["error"]["details"]["errors"][0]["field"]) == (400, "image")


async def test_fifty_equal_posts_at_once_are_one_generation(team: Team) -> None:
    """003.2, settled question 6: one generation, one reservation."""
    key = {"Idempotency-Key": "once"}

    replies = await asyncio.gather(*(team.ask(key | ASYNC) for _ in range(50)))

    accepted = {reply.json()["data"]["id"] for reply in replies if reply.status_code == 202}
    assert {reply.status_code for reply in replies} <= {202, 409}
    assert len(accepted) == len(team.world.neighbours.started) == 1


async def test_a_batch_is_several_generations_each_with_its_own_outcome(team: Team) -> None:
    """003.7 Batch processing."""
    requests = [{"prompt": "a"}, {"prompt": "b", "n": 2}, {"prompt": "c", "quality": "hd"}]
    key = {"Idempotency-Key": "batch-1"}

    first = await team.world.client.post(f"{PATH}/batches", headers=team.headers | key, json={"requests": requests})
    again = await team.world.client.post(f"{PATH}/batches", headers=team.headers | key, json={"requests": requests})
    other = await team.world.client.post(f"{PATH}/batches", headers=team.headers | key, json={"requests": requests[1:]})

    items = first.json()["data"]["items"]
    assert (first.status_code, len({item["data"]["id"] for item in items})) == (202, 3)
    assert [item["data"]["credits"]["reserved"] for item in items] == [10, 20, 20]
    assert (again.content, other.status_code) == (first.content, 422)
    assert len(team.world.neighbours.started) == 3
    assert '"images-user";r=' in first.headers["RateLimit"]


async def test_a_batch_with_a_wrong_request_is_refused_as_a_whole(team: Team) -> None:
    """003.7, 003.4 The field is named as it stands in the batch; nothing is left behind."""
    wrong = {"requests": [{"prompt": "a"}, {"prompt": "b", "size": "1x1"}]}

    reply = await team.world.client.post(f"{PATH}/batches", headers=team.headers, json=wrong)

    error = reply.json()["error"]
    assert (reply.status_code, error["code"]) == (400, "INVALID_SIZE")
    assert error["details"]["errors"][0]["field"] == "requests.1.size"
    assert set((await team.world.rows()).values()) == {0}


@pytest.mark.parametrize(("paid", "status", "generations"), [(1, 202, 1), (0, 402, 0)])
async def test_a_batch_tells_which_of_it_could_not_be_paid(
    team: Team, paid: int, status: int, generations: int
) -> None:
    """003.7, 003.4 402 where not even one is admitted."""

    def answers(request: GenerationRequested) -> Message:
        if len(team.world.neighbours.started) <= paid:
            return queued(request)
        return GenerationRejected(
            generation_id=request.generation_id, reason="insufficient_credits", required=10, available=0
        )

    team.world.neighbours.answer = answers
    two = {"requests": [{"prompt": "a"}, {"prompt": "b"}]}

    reply = await team.world.client.post(f"{PATH}/batches", headers=team.headers, json=two)

    last = reply.json()["data"]["items"][1] if paid else reply.json()
    assert (reply.status_code, last["error"]["code"]) == (status, "INSUFFICIENT_CREDITS")
    assert (await team.world.rows())["generations"] == generations
