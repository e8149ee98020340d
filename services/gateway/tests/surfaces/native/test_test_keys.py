"""Test keys: simulated, marked as a test wherever it is shown, and apart from what is live in every way."""

import json
from typing import Any
from uuid import UUID

import pytest

from atelier_contracts import GenerationRequested, GrantCredit
from atelier_contracts.value_objects import id_of_test_account

from ...support.client_tokens import mint, page
from ...support.native import IMAGE, create, fail, get_view
from ...support.uploads import image_bytes, upload_image
from ...support.webhook_receiver import open_receiver
from ...support.webhooks import make, wait_for_messages
from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack
SIMULATE = {"X-Atelier-Simulate": "outcome=fail"}


async def keys_of(world: World) -> tuple[UUID, dict[str, str], dict[str, str]]:
    """A store: its id, its live key and its test key."""
    store, live = await world.store()
    made = await world.client.post(f"/v1/admin/stores/{store}/keys", headers=ADMIN, json={"test": True})
    assert made.status_code == 201 and made.json()["test"] is True, made.text
    return store, live, {"X-API-Key": made.json()["api_key"]}


@pytest.fixture
def simulator_off(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in production."""
    monkeypatch.setitem(vars(world.container.settings), "simulator", "off")


@pytest.mark.usefixtures("simulator_off")
async def test_a_test_key_is_simulated_where_live_keys_cannot_be(world: World) -> None:
    store, live, test = await keys_of(world)

    refused = await world.client.post("/v1/generations", headers=live | SIMULATE, json=IMAGE)
    asked = [
        await world.client.post("/v1/generations", headers=test | SIMULATE, json=IMAGE),
        await world.client.post("/v1/generations", headers=test, json=IMAGE),
        await world.create(test),
        await world.client.post("/v1/generations", headers=live, json=IMAGE),
    ]

    assert (refused.status_code, refused.json()["code"]) == (400, "simulator_off")
    assert [answer.status_code for answer in asked] == [201] * 4
    requests = [e.message for e in world.neighbours.heard if isinstance(e.message, GenerationRequested)]
    outcomes = [request.spec.simulate and request.spec.simulate.outcome for request in requests]
    assert outcomes == ["fail", "succeed", "succeed", None]
    owners = {request.owner.id for request in requests[:3]}
    assert owners == {id_of_test_account(store)} and requests[3].owner.id == store


async def test_a_test_key_says_so_by_its_beginning(world: World) -> None:
    store, live, test = await keys_of(world)

    listed = (await world.client.get(f"/v1/admin/stores/{store}/keys", headers=ADMIN)).json()["data"]

    assert test["X-API-Key"].startswith("atl_test_") and not live["X-API-Key"].startswith("atl_test_")
    assert [key["test"] for key in listed] == [True, False]
    forged = test["X-API-Key"].replace("atl_test_", "atl_")
    assert (await world.client.get("/v1/generations", headers={"X-API-Key": forged})).status_code == 401


async def test_test_keys_are_counted_apart_and_revoked_by_their_prefix(world: World) -> None:
    store, _, test = await keys_of(world)
    path = f"/v1/admin/stores/{store}/keys"

    second = [(await world.client.post(path, headers=ADMIN, json={"test": True})).status_code for _ in range(2)]
    live = (await world.client.post(path, headers=ADMIN)).status_code
    prefix = test["X-API-Key"].rpartition("_")[0]
    revoked = await world.client.delete(f"{path}/{prefix}", headers=ADMIN)

    assert (second, live, revoked.status_code) == ([201, 409], 201, 204)
    assert (await world.client.get("/v1/generations", headers=test)).status_code == 401


async def test_no_live_key_sees_a_test_object_and_no_test_key_a_live_one(world: World) -> None:
    _, live, test = await keys_of(world)
    of_live, of_test = await create(world, live), await create(world, test)
    photos = [await upload_image(world, key, image_bytes()) for key in (live, test)]

    for key, mine, foreign, photo in ((live, of_live, of_test, photos[1]), (test, of_test, of_live, photos[0])):
        listed = (await world.client.get("/v1/generations", headers=key)).json()["data"]
        assert [each["id"] for each in listed] == [str(mine)]
        for path in ("", "/events", "/receipt", "/explain"):
            assert (await world.client.get(f"/v1/generations/{foreign}{path}", headers=key)).status_code == 404
        assert (await world.client.delete(f"/v1/generations/{foreign}", headers=key)).status_code == 404
        assert (await world.client.get(f"/v1/uploads/{photo['id']}", headers=key)).status_code == 404
        body = IMAGE | {"inputs": [{"role": "image", "key": photo["key"]}]}
        assert (await world.client.post("/v1/generations", headers=key, json=body)).status_code == 400


async def test_one_idempotency_key_of_both_is_two_generations(world: World) -> None:
    _, live, test = await keys_of(world)

    made = [
        await world.client.post("/v1/generations", headers=key | {"Idempotency-Key": "order-1"}, json=IMAGE)
        for key in (live, test)
    ]

    assert [answer.status_code for answer in made] == [201, 201]
    assert len({answer.json()["id"] for answer in made}) == 2


async def test_every_view_says_whether_it_is_a_test(world: World) -> None:
    _, live, test = await keys_of(world)

    for key, expected in ((live, False), (test, True)):
        generation = await create(world, key)
        await fail(world, key, generation)
        upload = (await world.client.post("/v1/uploads", headers=key, json=UPLOAD)).json()
        views: dict[str, Any] = {
            path: (await world.client.get(path, headers=key)).json()
            for path in (
                f"/v1/generations/{generation}",
                f"/v1/generations/{generation}/receipt",
                f"/v1/uploads/{upload['id']}",
                "/v1/credits",
                "/v1/credits/entries",
                "/v1/usage",
            )
        }
        views["quote"] = (await world.client.post("/v1/quotes", headers=key, json=IMAGE)).json()
        views["token"] = await mint(world, key)
        views["webhook"] = (await world.client.post("/v1/webhooks", headers=key, json=HOOK)).json()
        told_of = f"/v1/webhooks/{views['webhook']['id']}/test"
        views["delivery"] = (await world.client.post(told_of, headers=key)).json()
        views["listed"] = (await world.client.get("/v1/generations", headers=key)).json()["data"][0]
        assert {path: view.get("test") for path, view in views.items()} == dict.fromkeys(views, expected)
        stream = (await world.client.get(f"/v1/generations/{generation}/events", headers=key)).text
        told = [json.loads(line[6:]) for line in stream.splitlines() if line.startswith("data: ")]
        assert [each["test"] for each in told] == [expected] * len(told) and told


HOOK = {"url": "http://127.0.0.1:1/hook"}
UPLOAD = {"filename": "me.png", "content_type": "image/png", "size_bytes": 3}


async def test_the_shapes_of_others_say_it_only_of_a_test(world: World) -> None:
    _, live, test = await keys_of(world)

    views = []
    for key in (live, test):
        made = await world.create(key)
        shown = await world.client.get(f"/api/v1/generation/{made.json()['data']['session_id']}", headers=key)
        views.append(shown.json()["data"].get("test"))

    assert views == [None, True]


async def test_webhooks_of_a_test_account_carry_the_mark_and_are_its_own(world: World) -> None:
    _, live, test = await keys_of(world)
    async with open_receiver() as of_live, open_receiver() as of_test:
        for key, receiver in ((live, of_live), (test, of_test)):
            await make(world, key, receiver.url)

        generations = [await create(world, key) for key in (live, test)]
        for receiver in (of_live, of_test):
            await wait_for_messages(world, receiver, 1)

    told = [json.loads(receiver.got[0].body) for receiver in (of_live, of_test)]
    assert [each["data"]["id"] for each in told] == [str(generation) for generation in generations]
    assert [(each.get("test"), each["data"]["test"]) for each in told] == [(None, False), (True, True)]


async def test_a_token_made_with_a_test_key_is_one_of_the_test_account(world: World) -> None:
    _, live, test = await keys_of(world)
    token = await mint(world, test)

    generation = await create(world, page(token))

    assert token["token"].startswith("atc_test_") and token["prefix"].startswith("atc_test_")
    assert (await get_view(world, test, generation))["end_user"] == "customer-7"
    assert (await world.client.get(f"/v1/generations/{generation}", headers=live)).status_code == 404
    assert (await world.client.get(f"/v1/client-tokens/{token['id']}", headers=live)).status_code == 404
    assert (await world.client.get("/v1/client-tokens", headers=live)).json()["data"] == []


async def test_operators_give_no_credits_to_a_test_account(world: World) -> None:
    store, _, _ = await keys_of(world)
    owner = {"kind": "store", "id": str(id_of_test_account(store))}

    body = {"owner": owner, "credits": 5, "reason": "mistake"}
    granted = await world.client.post("/v1/admin/credits/grants", headers=ADMIN, json=body)

    assert granted.status_code == 404
    assert not [e for e in world.neighbours.heard if isinstance(e.message, GrantCredit)]
