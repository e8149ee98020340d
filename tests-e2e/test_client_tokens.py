"""A page of a shop in a real browser, from an origin that no setting names: what its client token lets it do."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from whole_system import browser
from whole_system.faulty_proxy import FaultyProxy
from whole_system.world import World

PAGES = Path(__file__).parent / "pages"
SHOP, OTHER = "boutique.localhost", "elsewhere.localhost"
COST = 3
FORBIDDEN: dict[str, dict[str, str]] = {
    "/v1/credits": {},
    "/v1/client-tokens": {"method": "POST", "body": '{"credits": 100}'},
    "/v1/webhooks": {},
}


@pytest.fixture
async def proxy(world: World) -> AsyncIterator[FaultyProxy]:
    async with FaultyProxy.run(world.url) as running:
        yield running


async def open_page(world: World, proxy: FaultyProxy, token: str, host: str, folder: Path) -> Any:
    job = {"url": world.url, "proxy": proxy.url, "token": token, "paths": FORBIDDEN}
    (folder / "job.json").write_text(json.dumps(job))
    return await browser.result_of_page("token.html", PAGES, {"job.json": folder / "job.json"}, host=host)


async def test_a_page_creates_and_follows_by_event_source_and_fetch_over_a_cut_connection(
    world: World, proxy: FaultyProxy, tmp_path: Path
) -> None:
    key, token = await _store_with_token(world)

    seen = await open_page(world, proxy, token["token"], SHOP, tmp_path)

    assert "failed" not in seen and seen["created"]["status"] == "queued", seen
    names = [event["name"] for event in seen["events"]]
    assert names == ["queued", "rendering", "succeeded"]
    assert [event["status"] for event in seen["events"]] == names, "each frame carries an event"
    assert proxy.report(f"/v1/generations/{seen['created']['id']}/events")["resumed"]
    assert seen["after"] == ["event: rendering", "event: succeeded"]
    assert seen["others"] == dict.fromkeys(FORBIDDEN, "TypeError"), "answers that no page may read"
    assert seen["unstreamed"] in (401, "TypeError")
    async with httpx.AsyncClient(base_url=world.url, headers=key) as store:
        shown = (await store.get(f"/v1/client-tokens/{token['id']}")).json()
        balance = (await store.get("/v1/credits")).json()
    assert (shown["credits"]["used"], balance["captured"]) == (COST, COST)


async def test_a_page_of_another_origin_makes_nothing_with_the_same_token(
    world: World, proxy: FaultyProxy, tmp_path: Path
) -> None:
    key, token = await _store_with_token(world)

    seen = await open_page(world, proxy, token["token"], OTHER, tmp_path)

    assert "TypeError" in seen["failed"]
    async with httpx.AsyncClient(base_url=world.url, headers=key) as store:
        assert (await store.get("/v1/generations")).json()["data"] == []


async def _store_with_token(world: World) -> tuple[dict[str, str], dict[str, Any]]:
    store = await world.admin.create_store("boutique")
    await world.admin.grant("store", store.id, 20, reason="test")
    key = {"X-API-Key": store.api_key}
    body = {"credits": 5, "end_user": "customer-7", "origins": [f"http://{SHOP}"], "kinds": ["image"]}
    async with httpx.AsyncClient(base_url=world.url, headers=key) as client:
        made = await client.post("/v1/client-tokens", json=body)
    assert made.status_code == 201, made.text
    return key, made.json()
