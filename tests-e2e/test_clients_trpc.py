"""000.10: the stock ``@trpc/client`` works unchanged: call by call, batched, and batched with streamed answers."""

import asyncio
import json
from typing import Any
from uuid import uuid4

import httpx
import pytest

from atelier_local.demo import photos as demo_photos
from whole_system import packages
from whole_system.world import World

LINKS = ("single", "batch", "stream")


@pytest.mark.parametrize("link", LINKS)
async def test_the_stock_client_creates_reads_lists_and_understands_every_refusal(world: World, link: str) -> None:
    user, token = await _shopper(world, 1)

    said = await _run_script("session.mjs", world, token, link)

    session = said["session"]
    assert said["created"] == {"sessionId": session["sessionId"], "status": "queued"}
    assert session["status"] == "completed"
    assert session["generatedImageUrl"].startswith("http")
    assert session["errorMessage"] is None
    assert said["again"]["status"] == "completed"
    assert [item["sessionId"] for item in said["page"]["items"]] == [session["sessionId"]]
    assert said["page"]["nextCursor"] is None
    assert said["shown"] == 24  # of 25 tiles; one session does not exist
    assert (said["noCredits"]["code"], said["noCredits"]["httpStatus"]) == ("PAYMENT_REQUIRED", 402)
    assert (said["invalid"]["code"], said["invalid"]["path"]) == ("BAD_REQUEST", "tryOn.create")
    assert said["unknown"]["code"] == "NOT_FOUND"
    assert said["nothing"]["code"] == "NOT_FOUND"
    assert (await world.admin.balance("user", user)).captured == 1


@pytest.mark.parametrize("link", LINKS)
async def test_the_stock_client_pays_for_what_it_can_get_and_never_for_a_refusal(world: World, link: str) -> None:
    """A create does not wait, so a client that gives up finds its session in the list; a try that never arrived costs
    nothing."""
    user, token = await _shopper(world, 5)
    photos = [await _upload(world, token, photo) for photo in (demo_photos.person_photo(), demo_photos.person_photo())]

    said = await _run_script("patience.mjs", world, token, link, *photos)

    assert said["givenUp"] == {"raised": "TRPCClientError", "cause": "AbortError", "sessions": 1, "status": "completed"}
    assert said["refused"]["status"] == "failed"
    assert said["refused"]["errorMessage"] == "the text holds a word that is not allowed here"
    lost = [["tryOn.create", 1, "no answer"], ["tryOn.get", 1, "no answer"]]
    assert said["triedAgain"] == {"attempts": lost, "status": "completed"}
    balance = await world.admin.balance("user", user)
    assert (balance.captured, balance.held, balance.available) == (2, 0, 3)


async def _shopper(world: World, credits: int) -> tuple[str, str]:
    """A person's id and token."""
    user = await world.admin.create_user(f"{uuid4()}@example.com")
    await world.admin.grant("user", user, credits, reason="test")
    return user, await world.admin.issue_token(user)


async def _upload(world: World, token: str, photo: bytes) -> str:
    """The address of a photograph that render can read."""
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=world.url, headers=headers, trust_env=False) as client:
        body = {"filename": "me.png", "content_type": "image/png", "size_bytes": len(photo)}
        offer = (await client.post("/v1/uploads", json=body)).raise_for_status().json()
    async with httpx.AsyncClient(trust_env=False) as client:
        (await client.put(offer["upload_url"], content=photo, headers=offer["headers"])).raise_for_status()
    return str(offer["url"])


async def _run_script(script: str, world: World, token: str, link: str, *more: str) -> dict[str, Any]:
    """What a script of the client printed."""
    folder = await asyncio.to_thread(packages.node_packages, "trpc")
    printed = await asyncio.to_thread(packages.node, script, world.url, token, link, *more, cwd=folder)
    said: dict[str, Any] = json.loads(printed)
    return said
