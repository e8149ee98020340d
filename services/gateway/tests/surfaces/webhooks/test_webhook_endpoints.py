"""Endpoints, deliveries and secrets over the API of the running gateway."""

import asyncio
from typing import Any

import httpx
import pytest

from atelier_gateway.idempotency.keys import REBUILD_AFTER
from atelier_gateway.rate_limits.limiter import RateLimitRule
from atelier_gateway.surfaces.webhooks import idempotent_actions as acts
from atelier_gateway.webhooks import dispatcher, endpoint_store
from atelier_gateway.webhooks.endpoint_store import ENDPOINTS_MAX

from ...support.isolation import IMAGE
from ...support.native import create
from ...support.webhook_receiver import open_receiver
from ...support.webhooks import HOOK, deliveries, get_signing_secret, make, until_state
from ...support.world import World

pytestmark = pytest.mark.stack


async def test_a_secret_is_shown_once_and_stands_nowhere(world: World) -> None:
    _, headers = await world.user()
    keyed = headers | {"Idempotency-Key": "k"}

    made = [await world.client.post("/v1/webhooks", headers=keyed, json=HOOK) for _ in range(2)]

    hook = made[0].json()
    assert made[0].json() == made[1].json() and made[1].headers["Idempotency-Replayed"] == "true"
    assert hook["secret"].startswith("whsec_")
    for path in ("/v1/webhooks", f"/v1/webhooks/{hook['id']}"):
        assert "whsec_" not in (await world.client.get(path, headers=headers)).text
    assert len((await world.client.get("/v1/webhooks", headers=headers)).json()["data"]) == 1
    for table in ("idempotency", "webhook_endpoints"):
        rows = await world.pool.fetchval(f"SELECT string_agg(t::text, ' ') FROM {table} t")
        assert hook["secret"] not in rows
    kept = await world.pool.fetchval("SELECT convert_from(reply_body, 'utf8') FROM idempotency")
    assert "whsec_" not in kept


async def test_the_secret_of_single_requests_can_be_replaced(world: World) -> None:
    _, headers = await world.user()
    before = await get_signing_secret(world, headers)

    rotated = (await world.client.post("/v1/webhooks/secret/rotate", headers=headers)).json()

    assert rotated["secret"] != before and rotated["previous_secret_until"] is not None
    assert await get_signing_secret(world, headers) == rotated["secret"]


async def test_a_delivery_shows_its_attempts_and_can_be_replayed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher, "POLL_EVERY_S", 0.05)
    _, headers = await world.user()
    async with open_receiver("500 Oh", "500 Oh", "500 Oh") as receiver:
        hook = await make(world, headers, receiver.url)
        tested = await world.client.post(f"/v1/webhooks/{hook['id']}/test", headers=headers)
        failed = await until_state(world, headers, tested.json()["id"], "failed")
        keyed = headers | {"Idempotency-Key": "k"}
        path = f"/v1/webhooks/deliveries/{failed['id']}/replay"
        replayed = [await world.client.post(path, headers=keyed) for _ in range(2)]
        delivered = await until_state(world, headers, failed["id"], "delivered")

    assert tested.status_code == 202
    assert [attempt["status"] for attempt in failed["attempts"]] == [500] * 3 and failed["next_try_at"] is None
    assert [reply.status_code for reply in replayed] == [202, 202] and replayed[0].content == replayed[1].content
    assert len(delivered["attempts"]) == 4
    assert {message.id for message in receiver.got} == {failed["id"]}
    of_hook = f"/v1/webhooks/{hook['id']}/deliveries?state=delivered"
    assert [delivery["id"] for delivery in (await world.client.get(of_hook, headers=headers)).json()["data"]] == [
        failed["id"]
    ]


async def test_only_so_many_tests_and_replays_are_sent_a_minute(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(acts, "SENDS", RateLimitRule("webhook-sends", 2, 60))
    _, headers = await world.user()
    hook = await make(world, headers, HOOK["url"])

    tested = [await world.client.post(f"/v1/webhooks/{hook['id']}/test", headers=headers) for _ in range(3)]
    replay = f"/v1/webhooks/deliveries/{tested[0].json()['id']}/replay"
    replayed = await world.client.post(replay, headers=headers)

    assert [reply.status_code for reply in tested] == [202, 202, 429]
    assert replayed.status_code == 429 and int(replayed.headers["Retry-After"]) > 0
    assert len(await deliveries(world, headers)) == 2


async def test_a_disabled_endpoint_is_told_nothing_until_it_is_enabled(world: World) -> None:
    _, headers = await world.user()
    hook = await make(world, headers, HOOK["url"])
    path = f"/v1/webhooks/{hook['id']}"

    off = await world.client.patch(path, headers=headers, json={"disabled": True, "description": "later"})
    await create(world, headers)
    tested = await world.client.post(f"{path}/test", headers=headers)
    on = await world.client.patch(path, headers=headers, json={"disabled": False, "events": ["generation.failed"]})

    assert off.json()["disabled"]["reason"] == "owner" and off.json()["description"] == "later"
    assert tested.status_code == 409 and await deliveries(world, headers) == []
    assert (on.json()["state"], on.json()["disabled"], on.json()["events"]) == ("enabled", None, ["generation.failed"])
    assert on.json()["url"] == HOOK["url"] and on.json()["description"] == "later"


async def test_endpoints_are_listed_page_after_page_deleted_and_bounded(world: World) -> None:
    _, headers = await world.user()
    ids = [(await make(world, headers, HOOK["url"]))["id"] for _ in range(ENDPOINTS_MAX)]

    refused = await world.client.post("/v1/webhooks", headers=headers, json=HOOK)
    first = (await world.client.get("/v1/webhooks?limit=15", headers=headers)).json()
    second = (await world.client.get(f"/v1/webhooks?cursor={first['next_cursor']}", headers=headers)).json()
    deleted = await world.client.delete(f"/v1/webhooks/{ids[0]}", headers=headers)

    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert [delivery["id"] for delivery in first["data"] + second["data"]] == ids[::-1]
    assert second["next_cursor"] is None
    assert deleted.status_code == 204
    assert (await world.client.get(f"/v1/webhooks/{ids[0]}", headers=headers)).status_code == 404
    assert (await world.client.post("/v1/webhooks", headers=headers, json=HOOK)).status_code == 201


@pytest.mark.parametrize(
    "url", ["http://10.0.0.7/in", "https://169.254.169.254/", "https://0x7f.1/", "https://hooks.internal/", "nowhere"]
)
async def test_a_url_that_leads_inside_is_refused_wherever_it_is_given(world: World, url: str) -> None:
    _, headers = await world.user()
    hook = await make(world, headers, HOOK["url"])
    before = await world.rows()

    refusals: list[tuple[httpx.Response, str]] = [
        (await world.client.post("/v1/webhooks", headers=headers, json={"url": url}), "url"),
        (await world.client.patch(f"/v1/webhooks/{hook['id']}", headers=headers, json={"url": url}), "url"),
        (await world.client.post("/v1/generations", headers=headers, json=IMAGE | {"webhook_url": url}), "webhook_url"),
    ]

    for refused, field in refusals:
        assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, field)
    assert await world.rows() == before


async def test_what_a_list_cannot_be_asked_is_400(world: World) -> None:
    _, headers = await world.user()

    for query in ("state=lost", "generation_id=x", "limit=0", "cursor=x"):
        assert (await world.client.get(f"/v1/webhooks/deliveries?{query}", headers=headers)).status_code == 400
    assert (await world.client.get("/v1/webhooks")).status_code == 401


async def test_a_slow_request_whose_key_was_taken_over_leaves_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, headers = await world.user()
    is_acting, may_go_on = asyncio.Event(), asyncio.Event()
    insert = endpoint_store.insert

    async def make_hook() -> httpx.Response:
        return await world.client.post("/v1/webhooks", headers=headers | {"Idempotency-Key": "k"}, json=HOOK)

    async def insert_slowly_first(*args: Any, **options: Any) -> Any:
        if not is_acting.is_set():
            is_acting.set()
            await may_go_on.wait()
        return await insert(*args, **options)

    monkeypatch.setattr(endpoint_store, "insert", insert_slowly_first)
    slow = asyncio.create_task(make_hook())
    await is_acting.wait()
    await world.pool.execute("UPDATE idempotency SET claimed_at = claimed_at - $1::interval", REBUILD_AFTER)
    quick = await make_hook()
    may_go_on.set()
    refused, repeated = await slow, await make_hook()

    assert (quick.status_code, refused.status_code, repeated.json()) == (201, 409, quick.json())
    assert refused.json()["code"] == "request_in_progress"
    assert len((await world.client.get("/v1/webhooks", headers=headers)).json()["data"]) == 1
