"""Stores and their keys in an operator's hands: what is given can be seen, and taken back."""

import asyncio
import re
from typing import Any
from uuid import uuid4

import httpx
import pytest

from atelier_gateway.identity.last_use import LastUse
from atelier_gateway.identity.ttl_cache import CACHE_TTL_S

from ...support.world import ADMIN, CREATE, TRY_ON, World

pytestmark = pytest.mark.stack
IMAGE = {"kind": "image", "prompt": "a cat", "size": "256x256"}


async def make(world: World, **body: str) -> dict[str, Any]:
    made = await world.client.post("/v1/admin/stores", headers=ADMIN, json={"name": "Acme"} | body)
    assert made.status_code == 201
    return dict(made.json())


async def keys(world: World, store: str) -> list[dict[str, Any]]:
    listed = await world.client.get(f"/v1/admin/stores/{store}/keys", headers=ADMIN)
    assert listed.status_code == 200
    return list(listed.json()["data"])


async def change(world: World, store: str, *, suspended: bool) -> httpx.Response:
    return await world.client.patch(f"/v1/admin/stores/{store}", headers=ADMIN, json={"suspended": suspended})


async def test_the_first_key_of_a_store_can_be_revoked(world: World) -> None:
    store = await make(world)
    owner = {"X-API-Key": store["api_key"]}
    assert (await world.create(owner)).status_code == 201

    revoked = await world.client.delete(f"/v1/admin/stores/{store['id']}/keys/{store['key_id']}", headers=ADMIN)

    assert revoked.status_code == 204
    assert (await world.create(owner)).status_code == 401
    assert (await world.client.post(f"/v1/admin/stores/{store['id']}/keys", headers=ADMIN)).status_code == 201


async def test_a_key_is_revoked_by_the_prefix_that_a_log_shows(world: World) -> None:
    store = await make(world)
    prefix = "_".join(store["api_key"].split("_")[:2])

    revoked = await world.client.delete(f"/v1/admin/stores/{store['id']}/keys/{prefix}", headers=ADMIN)

    assert revoked.status_code == 204
    assert (await world.create({"X-API-Key": store["api_key"]})).status_code == 401


async def test_keys_can_be_rotated_again_and_again(world: World) -> None:
    store = await make(world)
    path = f"/v1/admin/stores/{store['id']}/keys"

    for _ in range(3):
        await world.client.post(path, headers=ADMIN)
        oldest = [key for key in await keys(world, store["id"]) if key["revoked_at"] is None][-1]
        assert (await world.client.delete(f"{path}/{oldest['id']}", headers=ADMIN)).status_code == 204

    listed = await keys(world, store["id"])
    assert [key["revoked_at"] is None for key in listed] == [True, False, False, False]


async def test_keys_are_listed_with_their_names_and_without_their_secrets(world: World) -> None:
    store = await make(world, key_name="web shop")
    named = {"name": "nightly import"}
    second = await world.client.post(f"/v1/admin/stores/{store['id']}/keys", headers=ADMIN, json=named)

    listed = await keys(world, store["id"])

    assert [(key["id"], key["name"]) for key in listed] == [
        (second.json()["id"], "nightly import"),
        (store["key_id"], "web shop"),
    ]
    assert listed[1]["prefix"] == store["api_key"].split("_")[1]
    assert set(listed[0]) == {"id", "name", "prefix", "test", "created_at", "last_used_at", "revoked_at"}
    assert store["api_key"].split("_")[2] not in str(listed)


async def test_when_a_key_was_last_used_is_written_once_for_many_requests(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    authenticator = world.container.authenticator
    key_use = LastUse(authenticator.key_use._save)  # no flush of the process writes this one in between
    monkeypatch.setattr(authenticator, "key_use", key_use)
    store = await make(world)
    owner = {"X-API-Key": store["api_key"]}
    unused = (await keys(world, store["id"]))[0]["last_used_at"]
    for _ in range(5):
        await world.client.get("/v1/credits", headers=owner)
    row = "SELECT xmin::text, last_used_at FROM api_keys"
    before = await world.pool.fetchrow(row)

    await key_use.flush()
    after = await world.pool.fetchrow(row)
    await key_use.flush()

    assert unused is None and before is not None and after is not None
    assert before["last_used_at"] is None and after["last_used_at"] is not None
    assert await world.pool.fetchrow(row) == after


async def test_a_suspended_store_gets_403_in_the_shape_of_each_surface_until_it_is_restored(world: World) -> None:
    store = await make(world)
    owner = {"X-API-Key": store["api_key"]}

    suspended = await change(world, store["id"], suspended=True)
    b2b = await world.create(owner)
    native = await world.client.post("/v1/generations", headers=owner, json=IMAGE)
    openai = await world.client.post("/v1/images/generations", headers=owner, json={"prompt": "a cat"})
    hooks = await world.client.get("/v1/webhooks", headers=owner)

    assert suspended.status_code == 200 and suspended.json()["suspended_at"] is not None
    assert (b2b.status_code, b2b.json()["error"]["code"]) == (403, "ACCOUNT_DISABLED")
    assert (native.status_code, native.json()["code"]) == (403, "account_disabled")
    assert (openai.status_code, openai.json()["error"]["code"]) == (403, "account_disabled")
    assert hooks.status_code == 403
    assert (await world.rows())["generations"] == 0

    restored = await change(world, store["id"], suspended=False)
    assert (restored.json()["suspended_at"], (await world.create(owner)).status_code) == (None, 201)


async def test_a_wrong_key_of_a_suspended_store_is_told_nothing(world: World) -> None:
    store = await make(world)
    await change(world, store["id"], suspended=True)

    refused = await world.create({"X-API-Key": store["api_key"][:-4] + "0000"})

    assert refused.status_code == 401


async def test_another_replica_believes_a_key_for_less_than_five_seconds() -> None:
    assert CACHE_TTL_S < 5


async def test_what_is_in_work_goes_on_while_its_store_is_suspended(world: World) -> None:
    store = await make(world)
    owner = {"X-API-Key": store["api_key"]}
    generation = (await world.create(owner)).json()["data"]["session_id"]

    await change(world, store["id"], suspended=True)
    await change(world, store["id"], suspended=False)

    shown = await world.client.get(f"/api/v1/generation/{generation}", headers=owner)
    assert shown.json()["data"]["status"] == "queued"
    assert [type(envelope.message).__name__ for envelope in world.neighbours.heard] == ["GenerationRequested"]


async def test_stores_are_listed_page_by_page(world: World) -> None:
    made = [(await make(world, name=f"Store {number}"))["id"] for number in range(5)]

    seen: list[str] = []
    cursor = ""
    while True:
        page = await world.client.get(f"/v1/admin/stores?limit=2{cursor}", headers=ADMIN)
        seen += [store["id"] for store in page.json()["data"]]
        if page.json()["next_cursor"] is None:
            break
        cursor = f"&cursor={page.json()['next_cursor']}"

    assert seen == made[::-1]
    one = await world.client.get(f"/v1/admin/stores/{made[0]}", headers=ADMIN)
    assert one.json()["name"] == "Store 0" and one.json()["suspended_at"] is None


@pytest.mark.parametrize("path", ["stores/{id}", "stores/{id}/keys", "workspaces/{id}/members"])
async def test_what_nobody_has_is_404_for_an_operator_too(world: World, path: str) -> None:
    for unknown in (str(uuid4()), "x"):
        assert (await world.client.get(f"/v1/admin/{path.format(id=unknown)}", headers=ADMIN)).status_code == 404


async def test_a_user_is_found_by_their_email_whatever_its_case(world: World) -> None:
    made = await world.client.post("/v1/admin/users", headers=ADMIN, json={"email": "Ana@shop.net"})
    await world.user()

    found = await world.client.get("/v1/admin/users", headers=ADMIN, params={"email": "ana@SHOP.net"})
    everybody = await world.client.get("/v1/admin/users", headers=ADMIN)

    assert [user["id"] for user in found.json()["data"]] == [made.json()["id"]]
    assert (found.json()["data"][0]["email"], found.json()["data"][0]["disabled"]) == ("Ana@shop.net", False)
    assert len(everybody.json()["data"]) == 2


async def test_a_member_who_is_removed_no_longer_acts_for_the_workspace(world: World) -> None:
    (kept, _), (removed, headers) = await world.user(), await world.user()
    body = {"name": "W", "member_ids": [str(kept), str(removed)]}
    workspace = (await world.client.post("/v1/admin/workspaces", headers=ADMIN, json=body)).json()["id"]
    acting = headers | {"X-Workspace-Id": workspace}
    assert (await world.client.get("/v1/credits", headers=acting)).status_code == 200

    gone = await world.client.delete(f"/v1/admin/workspaces/{workspace}/members/{removed}", headers=ADMIN)

    assert gone.status_code == 204
    assert (await world.client.get("/v1/credits", headers=acting)).status_code == 403
    members = await world.client.get(f"/v1/admin/workspaces/{workspace}/members", headers=ADMIN)
    assert [member["id"] for member in members.json()["data"]] == [str(kept)]
    put = await world.client.put(f"/v1/admin/workspaces/{workspace}/members/{removed}", headers=ADMIN)
    assert (put.status_code, (await world.client.get("/v1/credits", headers=acting)).status_code) == (204, 200)


async def test_suspending_while_requests_arrive_leaves_no_half_made_generation(world: World) -> None:
    store = await make(world)
    owner = {"X-API-Key": store["api_key"]}

    replies, _ = await asyncio.gather(
        asyncio.gather(*(world.client.post(CREATE, headers=owner, json=TRY_ON) for _ in range(6))),
        change(world, store["id"], suspended=True),
    )

    assert {reply.status_code for reply in replies} <= {201, 403}
    assert (await world.rows())["generations"] == [reply.status_code for reply in replies].count(201)


async def test_a_users_workspaces_are_found(world: World) -> None:
    (one, _), (other, _) = await world.user(), await world.user()
    for name, who in (("A", [one, other]), ("B", [other]), ("C", [one])):
        body = {"name": name, "member_ids": [str(id_) for id_ in who]}
        await world.client.post("/v1/admin/workspaces", headers=ADMIN, json=body)

    found = await world.client.get("/v1/admin/workspaces", headers=ADMIN, params={"member": str(one)})
    everything = await world.client.get("/v1/admin/workspaces", headers=ADMIN)

    assert [workspace["name"] for workspace in found.json()["data"]] == ["C", "A"]
    assert [workspace["name"] for workspace in everything.json()["data"]] == ["C", "B", "A"]


@pytest.mark.parametrize("path", ["users?email=a%00@b.c", "users?email=%1b", "acts?act=%00", "workspaces?member=x"])
async def test_a_filter_that_no_name_holds_is_400_naming_it(world: World, path: str) -> None:
    refused = await world.client.get(f"/v1/admin/{path}", headers=ADMIN)

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, re.split(r"[?=]", path)[1])
