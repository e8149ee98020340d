"""Each act of an operator is a row, in the transaction of the act, that stays."""

import logging
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from uuid_utils.compat import uuid7

from atelier_contracts import GrantCredit, Owner
from atelier_gateway.disputes import store as dispute_store
from atelier_gateway.disputes.store import NewDispute
from atelier_gateway.peers.credit_grants import grant
from atelier_gateway.webhooks import delivery_store
from atelier_gateway.webhooks.delivery_store import NewDelivery
from atelier_messaging import Transaction

from ...support.native import create, fail
from ...support.operators import operator, renew
from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack


@pytest.fixture(autouse=True)
async def only_the_first_operator(world: World) -> AsyncIterator[None]:
    """After each test, with the token of the settings."""
    yield
    await renew(world)


async def acts(world: World, **filters: str) -> list[dict[str, Any]]:
    listed = await world.operations.get("/v1/admin/acts", headers=ADMIN, params=filters)
    assert listed.status_code == 200
    return list(listed.json()["data"])


async def test_each_act_is_a_row_that_says_who_did_what_to_what_and_when(world: World) -> None:
    _, person = await operator(world, "operator", "Ben")
    made = await world.operations.post("/v1/admin/stores", headers=person, json={"name": "Acme"})
    store, key = made.json()["id"], made.json()["key_id"]
    for body in ({"suspended": True}, {"suspended": False}):
        await world.operations.patch(f"/v1/admin/stores/{store}", headers=person, json=body)
    given = {"owner": {"kind": "store", "id": store}, "credits": 5, "reason": "hello"}
    granted = await world.operations.post("/v1/admin/credits/grants", headers=person, json=given)
    revoked = await world.operations.delete(f"/v1/admin/stores/{store}/keys/{key}", headers=person)

    rows = await acts(world, target=store)

    names = ["key.revoke", "credits.grant", "store.restore", "store.suspend", "store.create"]
    assert [row["act"] for row in rows] == names
    assert {row["operator"]["name"] for row in rows} == {"Ben"}
    assert rows[0]["request_id"] == revoked.headers["X-Request-Id"]
    assert rows[0]["details"] == {"key_id": key, "name": "first"}
    assert rows[1]["details"] == {
        "grant_id": granted.json()["id"],
        "credits": 5,
        "priority": 0,
        "expires_at": None,
        "reason": "hello",
    }
    assert made.json()["api_key"].split("_")[2] not in str(rows)
    assert [row["act"] for row in await acts(world, target=store, act="store.suspend")] == ["store.suspend"]
    assert len(await acts(world, operator=rows[0]["operator"]["id"])) == 5


async def test_an_act_is_written_in_the_transaction_of_the_act(world: World) -> None:
    store, _ = await world.store()

    both = await world.pool.fetchrow(
        "SELECT s.xmin::text AS store, a.xmin::text AS act FROM stores s JOIN admin_acts a ON a.target_id = s.id"
    )

    assert both is not None and both["store"] == both["act"]
    refused = await world.operations.delete(f"/v1/admin/stores/{store}/keys/{uuid4()}", headers=ADMIN)
    assert refused.status_code == 404
    assert [row["act"] for row in await acts(world, target=str(store))] == ["store.create"]


async def test_a_grant_whose_act_cannot_be_written_is_not_sent(world: World) -> None:
    store, _ = await world.store()
    command = GrantCredit(grant_id=uuid4(), owner=Owner(kind="store", id=store), credits=5, reason="x")

    async def fail(_: Transaction) -> None:
        raise RuntimeError("no room for the act")

    with pytest.raises(RuntimeError, match="no room"):
        await grant(world.container.bus, world.container.reply_listener, command, fail, timeout_s=1)

    assert world.neighbours.heard == [] and (await world.rows())["outbox"] == 0


@pytest.mark.usefixtures("short_waits")
async def test_a_grant_is_one_act_however_often_it_is_sent_again(world: World) -> None:
    store, _ = await world.store()
    given = {"owner": {"kind": "store", "id": str(store)}, "credits": 5, "reason": "hello"}
    keyed = ADMIN | {"Idempotency-Key": f"once-{store}"}
    world.neighbours.grants_answered = False

    first = await world.operations.post("/v1/admin/credits/grants", headers=keyed, json=given)
    await world.pool.execute("DELETE FROM idempotency")
    other = await world.operations.post("/v1/admin/credits/grants", headers=keyed, json=given | {"credits": 6})
    again = await world.operations.post("/v1/admin/credits/grants", headers=keyed, json=given)

    assert [answer.status_code for answer in (first, other, again)] == [202, 422, 202]
    assert [row["details"]["credits"] for row in await acts(world, target=str(store), act="credits.grant")] == [5]
    sent = [envelope.message for envelope in world.neighbours.heard]
    assert {message.credits for message in sent if isinstance(message, GrantCredit)} == {5}


async def test_each_act_is_one_line_of_the_log_and_one_that_is_undone_is_none(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="atelier_gateway")

    made = await world.operations.post("/v1/admin/stores", headers=ADMIN, json={"name": "Acme"})
    store, request = made.json()["id"], made.headers["X-Request-Id"]
    unknown = await world.operations.patch(f"/v1/admin/stores/{uuid4()}", headers=ADMIN, json={"suspended": True})

    assert unknown.status_code == 404
    lines = [vars(record) for record in caplog.records if hasattr(record, "act")]
    assert [(line["act"], line["target"], line["request_id"]) for line in lines] == [
        ("store.create", f"store:{store}", request)
    ]


@pytest.mark.parametrize("forgery", ["UPDATE admin_acts SET operator_name = 'Eve'", "DELETE FROM admin_acts"])
async def test_what_operators_did_cannot_be_changed_or_removed(world: World, forgery: str) -> None:
    await world.store()

    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await world.pool.execute(forgery)


BREAKER = "/v1/admin/providers/{name}/breaker"
CAP = "{owner_kind}/{owner_id}/{spender_kind}/{spender_id}/{period}"
BODIES: dict[str, dict[str, Any]] = {
    "POST /v1/admin/disputes/{id}/decision": {"decision": "decline", "reason": "x"},
    "POST /v1/admin/generations/{id}/cancel": {"reason": "x"},
    "POST /v1/admin/generations/{id}/rerender": {"reason": "x"},
    f"PUT {BREAKER}": {"state": "open", "minutes": 5, "reason": "x"},
    "POST /v1/admin/dead-letters/{queue}/redrive": {"reason": "x"},
    "POST /v1/admin/dead-letters/{queue}/discard": {"reason": "x", "frames": ["0" * 24]},
    "POST /v1/admin/operators": {"name": "x", "role": "viewer"},
    "PATCH /v1/admin/operators/{id}": {"role": "operator"},
    "POST /v1/admin/subscriptions": {"name": "analytics"},
    "PATCH /v1/admin/subscriptions/{name}": {"paused": True},
    "POST /v1/admin/subscriptions/{name}/replay": {"from_beginning": True},
}
"""Of the routes whose bodies name nothing that the test makes."""
AT_A_PEER = ("/ledger/proofs", "/log/verifications", "/reconcile/runs", "/reconcile/repairs")
"""Routes of which another service does the work, and none is there: the act is recorded before the call."""


async def waiting_dispute(world: World) -> UUID:
    """A dispute that waits for an operator."""
    new = NewDispute(
        uuid4(), uuid4(), Owner(kind="store", id=uuid4()), "other", "", (0,), "review", "left_to_operator", (), 0, None
    )
    async with world.pool.acquire() as connection:
        return (await dispute_store.insert(connection, new)).id


async def failed_delivery(world: World, store: UUID) -> str:
    """A webhook delivery of a store."""
    id_, url = uuid7(), "https://shop.example/hook"
    new = NewDelivery(id_, Owner(kind="store", id=store), None, url, url, "generation.failed", None, {}, after_s=3600)
    async with world.pool.acquire() as connection:
        await delivery_store.insert(connection, [new])
    return str(id_)


async def test_every_route_that_changes_something_leaves_an_act(world: World) -> None:
    """Generated from the description: a new route that forgets its act fails here."""
    user, _ = await world.user()
    store, _ = await world.store()
    body = {"name": "W", "member_ids": [str(user)]}
    workspace = (await world.operations.post("/v1/admin/workspaces", headers=ADMIN, json=body)).json()["id"]
    person, _ = await operator(world, "viewer")
    key = (await world.operations.post(f"/v1/admin/stores/{store}/keys", headers=ADMIN)).json()["id"]
    ids = {"stores": str(store), "users": str(user), "workspaces": workspace, "operators": person}
    ids["accounts"] = str(store)
    ids["disputes"] = str(await waiting_dispute(world))
    _, customer = await world.store()
    ids["generations"], ended = str(await create(world, customer)), await create(world, customer)
    await fail(world, customer, ended)
    world.neighbours.records["providers"] = {"providers": [{"provider": "analytics", "breaker": {}}]}
    world.neighbours.records["providers/analytics/breaker"] = {"state": "open"}
    await world.operations.delete(f"/v1/admin/stores/{store}/keys/{key}", headers=ADMIN)
    charged = uuid4()
    world.neighbours.records[f"holds/{charged}"] = {"state": "captured", "captured": 1}
    bodies: dict[str, dict[str, Any]] = BODIES | {
        "POST /v1/admin/stores": {"name": "x"},
        "PATCH /v1/admin/stores/{id}": {"suspended": False},
        "POST /v1/admin/users": {"email": f"{uuid4().hex}@shop.net"},
        "PATCH /v1/admin/users/{id}": {"disabled": False},
        "POST /v1/admin/workspaces": body,
        "POST /v1/admin/credits/grants": {"owner": {"kind": "store", "id": str(store)}, "credits": 1, "reason": "x"},
        "POST /v1/admin/credits/take-backs": {"owner": {"kind": "store", "id": str(store)}, "reason": "x"},
        "POST /v1/admin/credits/returns": {"generation_id": str(charged), "reason": "x"},
        f"PUT /v1/admin/caps/{CAP}": {"credits": 5},
    }
    parts = {"{key_id}": str(key), "{name}": "analytics", "{queue}": "gateway.projection", "{kind}": "store"}
    parts |= {CAP: f"store/{store}/store/{store}/day", "{delivery_id}": await failed_delivery(world, store)}
    count = "SELECT count(*) FROM admin_acts"
    described = (await world.operations.get("/openapi.json")).json()["paths"]
    changing = [(m.upper(), path) for path, routes in described.items() for m in routes if m != "get"]
    changing.remove(("POST", "/v1/admin/log/verify"))  # it reads; a POST, since it may take a checkpoint along
    # What ends an operator or a subscription comes last: the others need them.
    ends = [("DELETE", "/v1/admin/operators/{id}"), ("DELETE", "/v1/admin/subscriptions/{name}")]
    changing.sort(key=lambda route: route in ends)

    assert len(changing) > 12
    for method, path in changing:
        before = await world.pool.fetchval(count)
        id_ = str(ended) if path.endswith("/rerender") else ids.get(path.split("/")[3], "")
        url = path.replace("{id}", id_).replace("{user_id}", str(user))
        for name, value in parts.items():
            url = url.replace(name, value)
        answered = await world.operations.request(method, url, headers=ADMIN, json=bodies.get(f"{method} {path}"))
        assert answered.is_success or path.endswith(AT_A_PEER), (method, path, answered.text)
        assert await world.pool.fetchval(count) == before + 1, (method, path)


async def test_acts_are_filtered_by_ids_and_listed_page_by_page(world: World) -> None:
    store, _ = await world.store()
    for suspended in (True, False, True):
        await world.operations.patch(f"/v1/admin/stores/{store}", headers=ADMIN, json={"suspended": suspended})

    first = await world.operations.get(f"/v1/admin/acts?target={store}&limit=2", headers=ADMIN)
    cursor = first.json()["next_cursor"]
    second = await world.operations.get(f"/v1/admin/acts?target={store}&limit=2&cursor={cursor}", headers=ADMIN)

    seen = [row["act"] for page in (first, second) for row in page.json()["data"]]
    assert seen == ["store.suspend", "store.restore", "store.suspend", "store.create"]
    assert second.json()["next_cursor"] is None
    assert (await world.operations.get("/v1/admin/acts?target=x", headers=ADMIN)).status_code == 400
