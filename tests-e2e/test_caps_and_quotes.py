"""Caps and quotes on the running system: a cap is set at a terminal and holds for all clients at once, what a quote
says is what is charged."""

import asyncio
import base64
import json
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from atelier_local.cli import app
from whole_system.waits import NotYet, eventually
from whole_system.world import World

TRY_ON = {"kind": "image", "prompt": "a red bicycle", "size": "256x256"}
PRICE = 3
CLIENTS = 40


@dataclass
class Shop:
    """A store with 1 000 credits, its key's id, and its HTTP."""

    id: str
    key_id: str
    http: httpx.AsyncClient

    async def create(self, outcome: str = "succeed", **more: Any) -> httpx.Response:
        """A small picture, rendered by the simulator."""
        headers = {"X-Atelier-Simulate": f"outcome={outcome}, picture=none"}
        return await self.http.post("/v1/generations", json=TRY_ON | more, headers=headers)

    async def caps(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Its caps, by spender and period."""
        found = (await self.http.get("/v1/caps")).json()["data"]
        return {(cap["spender"]["kind"], cap["period"]): cap for cap in found}

    async def rest(self) -> None:
        """Waits until nothing is held any more."""

        async def look() -> bool | NotYet:
            balance = (await self.http.get("/v1/credits")).json()
            return NotYet(balance) if balance["held"] else True

        await eventually(look)


@pytest.fixture
async def shop(world: World) -> AsyncIterator[Shop]:
    made = await world.admin.create_store("Capped boutique")
    await world.admin.grant("store", made.id, 1_000, reason="test")
    headers = {"X-API-Key": made.api_key}
    async with httpx.AsyncClient(base_url=world.url, headers=headers, timeout=60, trust_env=False) as http:
        yield Shop(made.id, made.key_id, http)


async def run_command(world: World, *words: str) -> Result:
    known = world.stack.environment() | {"COLUMNS": "400"}
    done = await asyncio.to_thread(CliRunner().invoke, app, ["admin", *words], env={**known, "PROFILE": None})
    assert done.exit_code == 0, done.output
    return done


async def test_a_cap_holds_for_clients_at_once_and_is_explained_to_those_it_refuses(world: World, shop: Shop) -> None:
    room = 7
    limit = str(room * PRICE + 1)
    await run_command(world, "caps", "set", "store", shop.id, limit, "--per", "day", "--key", shop.key_id)

    answers = await asyncio.gather(*(shop.create() for _ in range(CLIENTS)))

    assert Counter(answer.status_code for answer in answers) == {201: room, 402: CLIENTS - room}
    refused = next(answer.json() for answer in answers if answer.status_code == 402)
    assert (refused["code"], refused["required"]) == ("cap_exceeded", PRICE)
    cap = refused["cap"]
    assert (cap["spender"], cap["credits"]) == ({"kind": "key", "id": shop.key_id}, room * PRICE + 1)
    assert cap["held"] + cap["captured"] == room * PRICE
    assert cap["renews_at"].endswith("T00:00:00Z")
    await shop.rest()
    assert (await shop.caps())["key", "day"]["captured"] == room * PRICE


async def test_what_fails_and_what_is_returned_is_room_again_and_what_is_removed_bounds_nothing(
    world: World, shop: Shop
) -> None:
    for period in ("day", "total"):
        await run_command(world, "caps", "set", "store", shop.id, str(PRICE), "--per", period)
    assert (await shop.create("fail")).status_code == 201
    await shop.rest()

    made = await shop.create()
    assert made.status_code == 201, "what failed counts no more"
    await shop.rest()
    assert (await shop.create()).status_code == 402
    await run_command(world, "credits", "return", made.json()["id"], "--reason", "the picture is broken")
    assert (await shop.create()).status_code == 201, "what was returned counts no more"

    await shop.rest()
    for period in ("day", "total"):
        await run_command(world, "caps", "remove", "store", shop.id, "--per", period)
    assert await shop.caps() == {}
    assert (await shop.create()).status_code == 201
    listed = await run_command(world, "caps", "list", "store", shop.id)
    assert shop.id not in listed.output
    verified = await run_command(world, "ledger", "verify")
    assert "in order" in verified.output


async def test_a_cap_that_is_reached_is_sent_to_a_webhook(world: World, shop: Shop) -> None:
    hook = {"url": "http://127.0.0.1:9/nobody", "events": ["cap.reached"]}
    made = await shop.http.post("/v1/webhooks", json=hook)
    assert made.status_code == 201, made.text
    await run_command(world, "caps", "set", "store", shop.id, str(2 * PRICE), "--per", "month")

    await shop.create()

    async def look() -> bool | NotYet:
        rows = (await shop.http.get("/v1/webhooks/deliveries")).json()["data"]
        return True if [row["type"] for row in rows] == ["cap.reached"] else NotYet(rows)

    await eventually(look)


async def test_a_quote_is_what_a_create_that_names_it_costs(world: World, shop: Shop) -> None:
    quoted = (await shop.http.post("/v1/quotes", json=TRY_ON | {"n": 2})).json()

    made = await shop.create(n=2, quote=quoted["quote"])

    assert quoted["credits"] == 2 * PRICE
    assert made.status_code == 201, made.text
    await shop.rest()
    receipt = (await shop.http.get(f"/v1/generations/{made.json()['id']}/receipt")).json()
    assert receipt["signed"]["receipt"]["credits"]["reserved"] == quoted["credits"]
    keys = (await shop.http.get("/.well-known/jwks.json")).json()["keys"]
    header = json.loads(base64.urlsafe_b64decode(quoted["quote"].split(".")[0] + "=="))
    assert header["kid"] in {key["kid"] for key in keys}


async def test_a_quote_of_another_request_or_another_store_or_altered_is_refused_and_charges_nothing(
    world: World, shop: Shop
) -> None:
    quote = (await shop.http.post("/v1/quotes", json=TRY_ON)).json()["quote"]
    other = await world.admin.create_store("Another boutique")
    await world.admin.grant("store", other.id, 100, reason="test")
    head, body, signature = quote.split(".")
    cheaper = json.loads(base64.urlsafe_b64decode(body + "=="))
    cheaper |= {"credits": 1, "unit_credits": 1}
    forged = base64.urlsafe_b64encode(json.dumps(cheaper).encode()).decode().rstrip("=")

    answers = {
        "other_request": await shop.create(n=2, quote=quote),
        "altered": await shop.create(quote=f"{head}.{forged}.{signature}"),
        "other_owner": await shop.http.post(
            "/v1/generations", json=TRY_ON | {"quote": quote}, headers={"X-API-Key": other.api_key}
        ),
    }

    assert {why: (answer.status_code, answer.json().get("reason")) for why, answer in answers.items()} == {
        why: (422, why) for why in answers
    }
    balance = (await shop.http.get("/v1/credits")).json()
    assert (balance["available"], balance["held"], balance["captured"]) == (1_000, 0, 0)
