"""Seed 003 on the whole system: two-phase credits to the last picture."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from uuid import uuid4

import httpx
import pytest

from atelier_local.demo import photos as demo_photos
from atelier_provider_simulator.control import Control
from whole_system.waits import eventually
from whole_system.world import World

PATH = "/api/ai/images"


@dataclass
class Team:
    """A workspace with credits, and the HTTP client of a member."""

    world: World
    id: str
    http: httpx.AsyncClient

    async def ask(self, simulate: str = "outcome=succeed", prefer: str = "", **body: object) -> httpx.Response:
        """POSTs a prompt."""
        headers = {"X-Atelier-Simulate": simulate} | ({"Prefer": prefer} if prefer else {})
        return await self.http.post(PATH, headers=headers, json={"prompt": "a red bicycle"} | body)

    async def money(self) -> tuple[int, int, int]:
        """(available, held, captured)."""
        balance = await self.world.admin.balance("workspace", self.id)
        return balance.available, balance.held, balance.captured


@pytest.fixture
async def team(world: World) -> AsyncIterator[Team]:
    """A workspace with 100 credits."""
    user = await world.admin.create_user(f"{uuid4()}@example.com")
    token = await world.admin.issue_token(user)
    made = await world.admin.ask(
        "create a workspace", "POST", "/v1/admin/workspaces", {"name": "Team", "member_ids": [user]}
    )
    await world.admin.grant("workspace", made["id"], 100, reason="test")
    headers = {"Authorization": f"Bearer {token}", "X-Workspace-Id": made["id"]}
    async with httpx.AsyncClient(base_url=world.url, headers=headers, timeout=60, trust_env=False) as http:
        yield Team(world, made["id"], http)


async def test_three_of_five_pictures_are_charged_and_two_returned(team: Team) -> None:
    """003.2 Reserve the estimate, capture the actual, release the rest."""
    reply = await team.ask("outcome=partial:3", n=5)

    data = reply.json()["data"]
    assert (reply.status_code, len(data["images"])) == (200, 3)
    assert data["credits"] == {"reserved": 50, "used": 30, "remaining": 70}
    assert await team.money() == (70, 0, 30)


async def test_a_failure_is_503_with_a_readable_fully_refunded_record(team: Team) -> None:
    """003.2, 003.4 Failure returns all."""
    reply = await team.ask("outcome=fail")

    error = reply.json()["error"]
    record = (await team.http.get(error["details"]["status_url"])).json()["data"]
    assert (reply.status_code, error["code"]) == (503, "PROVIDER_UNAVAILABLE")
    assert (record["status"], record["record"]["credits"]) == ("FAILED", 0)
    assert await team.money() == (100, 0, 0)


async def test_a_picture_is_stored_in_our_own_store_under_the_workspace(team: Team) -> None:
    """003.7 Image storage: kept here, described by what its bytes say."""
    data = (await team.ask()).json()["data"]

    async with httpx.AsyncClient(trust_env=False) as http:
        picture = (await http.get(data["images"][0]["url"])).content
    assert f"/workspaces/{team.id}/generated/{data['id']}/" in data["images"][0]["url"]
    assert (len(picture), data["images"][0]["format"]) == (data["images"][0]["size"], "png")


async def test_who_does_not_wait_finds_the_picture_at_the_status_url(team: Team) -> None:
    """003.4 Prefer: respond-async → 202 with a status URL."""
    reply = await team.ask("outcome=succeed,delay_ms=300", prefer="respond-async")

    async def look() -> bool | None:
        shown = (await team.http.get(reply.json()["data"]["status_url"])).json()["data"]
        return True if shown["status"] == "COMPLETED" and shown["images"] else None

    assert reply.status_code == 202
    assert await eventually(look)


async def test_an_uploaded_picture_is_edited_and_varied(team: Team) -> None:
    """003.7 Image editing: an upload of the workspace, really drawn from."""
    photo = demo_photos.person_photo()
    body = {"filename": "me.png", "content_type": "image/png", "size_bytes": len(photo)}
    upload = (await team.http.post("/v1/uploads", json=body)).raise_for_status().json()
    async with httpx.AsyncClient(trust_env=False) as http:
        (await http.put(upload["upload_url"], content=photo, headers=upload["headers"])).raise_for_status()

    body = {"prompt": "by the sea", "model": "dall-e-2", "size": "256x256"}
    plain = await team.http.post(PATH, json=body)
    edited = await team.http.post(PATH, json=body | {"image": upload["key"]})

    pictures = [reply.json()["data"]["images"][0] for reply in (plain, edited)]
    assert [(picture["width"], picture["height"]) for picture in pictures] == [(256, 256)] * 2
    assert pictures[0]["checksum"] != pictures[1]["checksum"]


async def test_a_picture_is_analysed(team: Team) -> None:
    """003.7 Image analysis: colours and tags of what was really made, and a thumbnail that can be fetched."""
    asked = {"prompt": "a red bicycle", "model": "dall-e-2", "size": "256x256"}
    [image] = (await team.http.post(PATH, json=asked)).json()["data"]["images"]

    async with httpx.AsyncClient(trust_env=False) as http:
        small = await http.get(image["thumbnail"])
    assert (image["format"], image["width"], image["height"]) == ("png", 256, 256)
    assert image["colours"] and all(colour[0] == "#" and len(colour) == 7 for colour in image["colours"])
    assert "image" in image["tags"]
    assert (small.status_code, small.headers["Content-Type"]) == (200, "image/webp")


async def test_an_equal_prompt_is_delivered_again_where_that_is_allowed(team: Team) -> None:
    """003.7 Cost optimization: reuse of an identical earlier result where the caller allows it, at its own price."""
    first = (await team.ask()).json()["data"]
    again = (await team.ask(reuse=True)).json()["data"]

    assert (first["reused"], again["reused"]) == (False, True)
    assert first["images"][0]["checksum"] == again["images"][0]["checksum"]
    assert again["credits"] == {"reserved": 10, "used": 1, "remaining": 89}


async def test_the_reply_says_who_made_it_and_clients_can_ask_who_could(team: Team) -> None:
    """003.7, settled question 5: with an account there, the requested provider makes it, with no fallback."""
    asked = await team.http.post(PATH, json={"prompt": "a red bicycle", "provider": "google"})
    offered = (await team.http.get("/v1/capabilities")).json()

    assert (asked.json()["data"]["provider"], asked.json()["data"]["asked_provider"]) == ("google", "google")
    assert {"local", "narration", "openai", "google"} <= {provider["name"] for provider in offered["providers"]}
    assert (offered["missing"], offered["stand_in"]) == ([], "local")


async def test_another_provider_stands_in_and_the_reply_says_so_but_never_for_a_model_that_was_named(
    team: Team, provider_simulator: Control
) -> None:
    """003.7 Provider fallback."""
    asked = {"prompt": "a red bicycle", "provider": "openai"}
    await provider_simulator.plan("openai", "out_of_quota", times=2)

    instead = await team.http.post(PATH, json=asked)
    ordered = await team.http.post(PATH, json=asked | {"model": "gpt-image-2"})

    made = instead.json()["data"]
    assert (made["status"], made["asked_provider"]) == ("COMPLETED", "openai")
    assert made["provider"] == made["record"]["provider"] != "openai"
    assert (ordered.status_code, ordered.json()["error"]["code"]) == (503, "PROVIDER_UNAVAILABLE")
    assert await team.money() == (90, 0, 10)


async def test_too_few_credits_are_402_and_leave_nothing(team: Team) -> None:
    """003.4 402 with required and available."""
    reply = await team.ask(n=10, quality="hd")

    assert (reply.status_code, reply.json()["error"]["details"]) == (402, {"required": 200, "available": 100})
    assert (await team.http.get(PATH)).json()["data"]["items"] == []
    assert await team.money() == (100, 0, 0)


@pytest.mark.parametrize(
    ("body", "credits"),
    [
        ({"model": "dall-e-2", "size": "256x256"}, 3),
        ({"model": "dall-e-2", "size": "512x512"}, 5),
        ({"size": "1024x1024"}, 10),
        ({"size": "1024x1024", "quality": "hd"}, 20),
        ({"size": "1792x1024"}, 15),
        ({"size": "1024x1792", "quality": "hd"}, 30),
    ],
)
async def test_each_size_and_quality_is_charged_by_the_table(team: Team, body: dict[str, str], credits: int) -> None:
    """003.3 Credit Costs."""
    reply = await team.ask(**body)

    assert reply.json()["data"]["credits"] == {"reserved": credits, "used": credits, "remaining": 100 - credits}
