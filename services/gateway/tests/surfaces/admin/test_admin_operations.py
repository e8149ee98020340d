"""What operators ask at night of the other services: providers and their breakers, open holds, readiness, webhooks."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from uuid_utils.compat import uuid7

from atelier_contracts import Owner
from atelier_gateway.surfaces.admin.readiness import obstacles_of
from atelier_gateway.webhooks import delivery_store, operator_lists
from atelier_gateway.webhooks.delivery_store import NewDelivery

from ...support.native import create
from ...support.operators import operator
from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack
STANDING = {
    "provider": "openai",
    "configured": True,
    "breaker": "closed",
    "override": None,
    "outcomes": {"succeeded": 3, "transient": 1},
    "attempts": 4,
    "failed": 1,
    "p50_s": 1.5,
    "p95_s": 9.0,
}
ORDER = {"state": "open", "minutes": 30, "reason": "it answers garbage"}
BREAKER = "/v1/admin/providers/openai/breaker"


async def ask(world: World, path: str, **params: Any) -> dict[str, Any]:
    answer = await world.operations.get(path, headers=ADMIN, params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_breaker_is_held_with_a_reason_by_an_operator_and_a_viewer_holds_none(world: World) -> None:
    world.neighbours.records |= {"providers": {"providers": [STANDING]}, "providers/openai/breaker": {"state": "open"}}
    _, ben = await operator(world, "operator", "Ben")
    _, viewer = await operator(world, "viewer", "Vic")

    held = await world.operations.put(BREAKER, headers=ben, json=ORDER)
    released = await world.operations.delete(BREAKER, headers=ben | {"X-Operator-Reason": "well%20again"})
    refused = await world.operations.put(BREAKER, headers=viewer, json=ORDER)
    unknown = await world.operations.put("/v1/admin/providers/nobody/breaker", headers=ben, json=ORDER)

    assert (held.json(), released.status_code) == ({"provider": "openai", "state": "open"}, 200)
    assert (refused.status_code, unknown.status_code) == (403, 404)
    orders = [call for call in world.neighbours.provider_calls if call[0] != "GET"]
    order = {"state": "open", "seconds": 1800, "reason": "it answers garbage", "operator": "Ben"}
    assert orders == [("PUT", "/openai/breaker", order), ("DELETE", "/openai/breaker", None)]
    acts = (await ask(world, "/v1/admin/acts", limit=2))["data"]
    assert [(act["act"], act["details"]["reason"]) for act in acts] == [
        ("provider.release_breaker", "well again"),
        ("provider.hold_breaker", "it answers garbage"),
    ]


@pytest.mark.parametrize("wrong", [{"state": "ajar"}, {"minutes": 0}, {"minutes": 10_081}, {"reason": ""}, {"x": 1}])
async def test_a_wrong_order_names_its_field_and_holds_nothing(world: World, wrong: dict[str, Any]) -> None:
    world.neighbours.records |= {"providers": {"providers": [STANDING]}}

    refused = await world.operations.put(BREAKER, headers=ADMIN, json=ORDER | wrong)

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, next(iter(wrong)))
    assert [call for call in world.neighbours.provider_calls if call[0] == "PUT"] == []


async def test_providers_and_unknown_outcomes_are_listed_as_render_says_them(world: World) -> None:
    submissions = [
        {
            "id": str(uuid7()),
            "generation_id": str(uuid4()),
            "provider": "openai",
            "key": "k",
            "state": "ended",
            "outcome": "unknown",
            "sent_at": "2026-11-30T00:00:00Z",
            "lost_at": None,
            "exposure_micros": 50_000,
            "currency": "USD",
            "request_ids": ["req_1"],
        }
        for _ in range(2)
    ]
    world.neighbours.records |= {
        "providers": {"providers": [STANDING]},
        "providers/unknown": {"submissions": submissions},
    }

    standing = await ask(world, "/v1/admin/providers", hours=2)
    owed = await ask(world, "/v1/admin/providers/unknown", limit=1)

    assert standing == {"hours": 2, "data": [STANDING]}
    assert [row["exposure_micros"] for row in owed["data"]] == [50_000]
    assert owed["next_cursor"] == submissions[0]["id"]
    assert (await world.operations.get("/v1/admin/providers?hours=999", headers=ADMIN)).status_code == 400


async def test_a_providers_own_request_id_finds_its_generation(world: World) -> None:
    _, key = await world.store()
    id_ = await create(world, key)
    world.neighbours.records["providers/requests/req_abc123"] = {"generations": [str(id_)]}

    found = await ask(world, "/v1/admin/search", q="req_abc123")
    by_key = await ask(world, "/v1/admin/search", q=f"{id_}-openai")
    silent = await ask(world, "/v1/admin/search", q="req_unheard_of")

    assert [hit["id"] for hit in found["data"]] == [hit["id"] for hit in by_key["data"]] == [str(id_)]
    assert "a provider's request id" in found["read_as"] and found["missing"] == []
    assert silent["data"] == [] and silent["missing"] == ["render does not answer: it answered 404"]


async def test_holds_of_an_hour_are_listed_as_billing_has_them(world: World) -> None:
    owner, id_ = uuid4(), uuid4()
    hold = {"generation_id": str(id_), "owner_kind": "store", "owner_id": str(owner), "credits": 3}
    tombstone = hold | {"owner_kind": None, "owner_id": None, "credits": 0}
    rows = [each | {"created_at": "2026-11-30T00:00:00Z"} for each in (hold, tombstone)]
    world.neighbours.records["open-holds"] = {"holds": rows, "number": 2, "credits": 3}

    found = await ask(world, "/v1/admin/holds")

    assert (found["older_than_s"], found["number"], found["credits"]) == (3_600, 2, 3)
    assert [row["owner"] for row in found["data"]] == [{"kind": "store", "id": str(owner)}, None]
    assert (await world.operations.get("/v1/admin/holds?older_than_s=0", headers=ADMIN)).status_code == 400


async def test_readiness_names_who_is_silent_and_is_true_where_nothing_stands_against_it(world: World) -> None:
    silent = await ask(world, "/v1/admin/upgrade")
    assert silent["ready"] is False
    assert [each["service"] for each in silent["services"] if not each["answers"]] == ["session", "billing", "render"]
    own = silent["services"][0]
    assert own["schema_at"] == own["schema_expected"] != [] and own["version"]

    release = {"version": own["version"], "schema": ["1"], "expected": ["1"], "unsent": {}}
    world.neighbours.records["release"] = release
    answering = await ask(world, "/v1/admin/upgrade")

    assert [each["answers"] for each in answering["services"]] == [True] * 4
    assert answering["obstacles"] == []


def test_each_obstacle_to_an_upgrade_is_said_in_words() -> None:
    good = {"service": "gateway", "answers": True, "reason": None, "version": "2", "dead_letters": 0}
    good |= {"schema_at": ["2"], "schema_expected": ["2"]}

    found = obstacles_of(
        [
            good,
            good | {"service": "session", "answers": False, "reason": "no answer within 3 s", "version": None},
            good | {"service": "billing", "schema_at": ["1"]},
            good | {"service": "render", "dead_letters": 4, "version": "1"},
        ]
    )

    assert found == [
        "session does not answer: no answer within 3 s.",
        "The database of billing is at 1, its release expects 2.",
        "render has 4 dead letters; redrive or discard them first.",
        "The services run 1 and 2: an upgrade is under way.",
    ]
    assert obstacles_of([good]) == []


async def deliver(world: World, owner: Owner, state: str) -> UUID:
    new = NewDelivery(uuid7(), owner, None, "https://hooks.shop.net/secret", "t", "generation.succeeded", uuid4(), {})
    async with world.pool.acquire() as connection:
        await delivery_store.insert(connection, [new])
        await connection.execute("UPDATE webhook_deliveries SET state = $2 WHERE id = $1", new.id, state)
    return new.id


async def test_webhooks_of_all_owners_are_listed_without_the_secret_of_their_address(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    (one, key), (two, _) = await world.store(), await world.store()
    made = await world.client.post("/v1/webhooks", headers=key, json={"url": "https://hooks.shop.net/secret"})
    assert made.status_code == 201, made.text
    ids = [
        await deliver(world, Owner(kind="store", id=owner), state)
        for owner, state in ((one, "failed"), (two, "delivered"), (two, "failed"))
    ]

    endpoints = await ask(world, "/v1/admin/webhooks")
    newest = await ask(world, "/v1/admin/webhooks/deliveries", limit=2)
    failed = await ask(world, "/v1/admin/webhooks/deliveries", state="failed")
    to_endpoint = await ask(world, "/v1/admin/webhooks/deliveries", endpoint_id=made.json()["id"])
    single = await ask(world, f"/v1/admin/webhooks/deliveries/{ids[0]}")

    assert [(row["host"], row["owner"]["id"]) for row in endpoints["data"]] == [("hooks.shop.net:443", str(one))]
    assert [row["id"] for row in newest["data"]] == [str(ids[2]), str(ids[1])]
    assert [row["id"] for row in failed["data"]] == [str(ids[2]), str(ids[0])] and failed["next_cursor"] is None
    assert (to_endpoint["data"], single["owner"]["id"]) == ([], str(one))
    assert "secret" not in f"{endpoints}{newest}{single}"
    assert newest["next_cursor"] == str(ids[1])
    monkeypatch.setattr(operator_lists, "SCAN_MAX", 2)
    short = await ask(world, "/v1/admin/webhooks/deliveries", state="delivered", limit=1)
    assert ([row["id"] for row in short["data"]], short["next_cursor"]) == ([str(ids[1])], str(ids[1]))
    for wrong in ({"state": "lost"}, {"endpoint_id": "x"}):
        refused = await world.operations.get("/v1/admin/webhooks/deliveries", headers=ADMIN, params=wrong)
        assert refused.status_code == 400, wrong
    unknown = await world.operations.get(f"/v1/admin/webhooks/deliveries/{uuid4()}", headers=ADMIN)
    assert unknown.status_code == 404
