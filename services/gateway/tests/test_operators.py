"""Operators are people: each has a token and a role, and each act of theirs is a row that stays."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import httpx
import pytest

from atelier_contracts import GrantCredit, Owner
from atelier_gateway.granting import grant
from atelier_gateway.store.operators import FIRST
from atelier_messaging import Work

from .world import ADMIN, ADMIN_TOKEN, World

pytestmark = pytest.mark.stack
OPERATORS = "/v1/admin/operators"
ACTING: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", "/v1/admin/stores", {"name": "Acme"}),
    ("POST", "/v1/admin/users", {"email": "ana@shop.net"}),
    ("POST", "/v1/admin/credits/grants", {"owner": {"kind": "store", "id": str(FIRST)}, "credits": 1, "reason": "x"}),
    ("PATCH", f"/v1/admin/stores/{FIRST}", {"suspended": True}),
    ("DELETE", f"/v1/admin/stores/{FIRST}/keys/{FIRST}", None),
    ("DELETE", f"/v1/admin/workspaces/{FIRST}/members/{FIRST}", None),
    ("POST", "/v1/admin/ledger/proofs", None),
]
MANAGING: list[tuple[str, str, dict[str, Any] | None]] = [
    ("POST", OPERATORS, {"name": "Eve", "role": "admin"}),
    ("PATCH", f"{OPERATORS}/{FIRST}", {"role": "viewer"}),
    ("DELETE", f"{OPERATORS}/{FIRST}", None),
    ("POST", f"{OPERATORS}/{FIRST}/token", None),
]


@pytest.fixture(autouse=True)
async def only_the_first_operator(world: World) -> AsyncIterator[None]:
    """Before and after each test, with the token of the settings."""
    yield
    await world.pool.execute("DELETE FROM operators WHERE id <> $1", FIRST)
    await world.pool.execute("UPDATE operators SET revoked_at = NULL, role = 'admin'")
    await world.parts.operators.set_first(ADMIN_TOKEN)
    world.parts.operators.forget()


async def operator(world: World, role: str, name: str = "Ana") -> tuple[str, dict[str, str]]:
    made = await world.operations.post(OPERATORS, headers=ADMIN, json={"name": name, "role": role})
    assert made.status_code == 201
    return made.json()["id"], {"Authorization": f"Bearer {made.json()['token']}"}


async def acts(world: World, **filters: str) -> list[dict[str, Any]]:
    listed = await world.operations.get("/v1/admin/acts", headers=ADMIN, params=filters)
    assert listed.status_code == 200
    return list(listed.json()["data"])


async def ask(world: World, who: dict[str, str], call: tuple[str, str, dict[str, Any] | None]) -> httpx.Response:
    method, path, body = call
    return await world.operations.request(method, path, headers=who, json=body)


@pytest.mark.parametrize("call", [*ACTING, *MANAGING])
async def test_a_viewer_reads_and_changes_nothing(world: World, call: tuple[str, str, dict[str, Any] | None]) -> None:
    _, viewer = await operator(world, "viewer")

    refused = await ask(world, viewer, call)

    assert (refused.status_code, refused.json()["code"]) == (403, "role_required")
    for path in ("stores", "users", "operators", "acts"):
        assert (await world.operations.get(f"/v1/admin/{path}", headers=viewer)).status_code == 200
    assert (await world.rows())["outbox"] == 0


async def test_an_operator_acts_on_customers_and_does_not_manage_operators(world: World) -> None:
    _, person = await operator(world, "operator")

    acted = [(await ask(world, person, call)).status_code for call in ACTING]
    managed = [(await ask(world, person, call)).status_code for call in MANAGING]

    assert acted == [201, 201, 404, 404, 404, 404, 503]
    assert managed == [403, 403, 403, 403]


async def test_the_token_of_the_settings_is_the_first_operators_an_admin(world: World) -> None:
    me = await world.operations.get(f"{OPERATORS}/me", headers=ADMIN)

    assert (me.json()["id"], me.json()["name"], me.json()["role"]) == (str(FIRST), "first", "admin")


async def test_a_token_is_shown_once_and_kept_nowhere(world: World) -> None:
    id_, headers = await operator(world, "viewer")
    secret = headers["Authorization"].split("_")[2]

    listed = await world.operations.get(OPERATORS, headers=ADMIN)
    rows = await world.pool.fetch("SELECT o::text AS row FROM operators o UNION ALL SELECT a::text FROM admin_acts a")

    assert listed.json()["data"][0]["id"] == id_ and len(listed.json()["data"]) == 2
    assert secret not in listed.text and ADMIN_TOKEN not in listed.text
    assert not [row for row in rows if secret in row["row"] or ADMIN_TOKEN in row["row"]]


async def test_unknown_revoked_and_malformed_tokens_are_answered_alike(world: World) -> None:
    id_, headers = await operator(world, "admin")
    assert (await world.operations.get(OPERATORS, headers=headers)).status_code == 200

    assert (await world.operations.delete(f"{OPERATORS}/{id_}", headers=ADMIN)).status_code == 204
    _, store = await world.store()
    tokens = [headers["Authorization"], f"Bearer ato_{'0' * 12}_{'0' * 64}", "Bearer first", f"Bearer {ADMIN_TOKEN}x"]
    tokens += [f"Bearer {store['X-API-Key']}", "Basic abc", "Bearer é"]
    refusals = [
        await world.operations.get(OPERATORS, headers={b"Authorization": token.encode("latin-1")}) for token in tokens
    ]

    assert {(refusal.status_code, refusal.content) for refusal in refusals} == {(401, refusals[0].content)}


async def test_an_operators_token_opens_no_clients_door(world: World) -> None:
    _, headers = await operator(world, "admin")

    assert (await world.public.get("/v1/generations", headers=headers)).status_code == 401
    assert (await world.public.get("/api/v1/generation", headers=headers)).status_code == 401


async def test_a_replaced_token_opens_nothing_and_the_new_one_has_the_same_role(world: World) -> None:
    id_, old = await operator(world, "operator")

    replaced = await world.operations.post(f"{OPERATORS}/{id_}/token", headers=ADMIN)
    new = {"Authorization": f"Bearer {replaced.json()['token']}"}

    assert replaced.status_code == 201
    assert (await world.operations.get(f"{OPERATORS}/me", headers=old)).status_code == 401
    assert (await world.operations.get(f"{OPERATORS}/me", headers=new)).json()["role"] == "operator"
    assert (await world.operations.post(f"{OPERATORS}/{FIRST}/token", headers=ADMIN)).status_code == 409


async def test_the_first_operator_can_be_ended_and_the_same_setting_does_not_bring_them_back(world: World) -> None:
    _, other = await operator(world, "admin")

    assert (await world.operations.delete(f"{OPERATORS}/{FIRST}", headers=other)).status_code == 204
    await world.parts.operators.set_first(ADMIN_TOKEN)  # as a restarted process does
    same = await world.operations.get(OPERATORS, headers=ADMIN)
    await world.parts.operators.set_first("another token of the settings")
    changed = await world.operations.get(OPERATORS, headers={"Authorization": "Bearer another token of the settings"})
    await world.parts.operators.set_first(None)
    world.parts.operators.forget()
    absent = await world.operations.get(OPERATORS, headers={"Authorization": "Bearer another token of the settings"})

    assert [answer.status_code for answer in (same, changed, absent)] == [401, 200, 401]


async def test_the_last_admin_stays_however_many_go_at_once(world: World) -> None:
    pairs = [await operator(world, "admin", f"Admin {number}") for number in range(3)]
    ids = [str(FIRST), *(id_ for id_, _ in pairs)]

    async def leave(number: int) -> int:
        path = f"{OPERATORS}/{ids[number]}"
        if number % 2:
            return (await world.operations.delete(path, headers=ADMIN)).status_code
        return (await world.operations.patch(path, headers=ADMIN, json={"role": "viewer"})).status_code

    answers = await asyncio.gather(*(leave(number) for number in range(4)))

    left = "SELECT count(*) FROM operators WHERE role = 'admin' AND revoked_at IS NULL"
    assert await world.pool.fetchval(left) == 1
    assert [status for status in answers if status in (200, 204)] != []


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

    async def fail(_: Work) -> None:
        raise RuntimeError("no room for the act")

    with pytest.raises(RuntimeError, match="no room"):
        await grant(world.parts.bus, world.parts.replies, command, fail, within_s=1)

    assert world.neighbours.heard == [] and (await world.rows())["outbox"] == 0


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


@pytest.mark.parametrize("forgery", ["UPDATE admin_acts SET operator_name = 'Eve'", "DELETE FROM admin_acts"])
async def test_what_operators_did_cannot_be_changed_or_removed(world: World, forgery: str) -> None:
    await world.store()

    with pytest.raises(asyncpg.PostgresError, match="append-only"):
        await world.pool.execute(forgery)


async def test_every_route_that_changes_something_leaves_an_act(world: World) -> None:
    """Generated from the description: a new route that forgets its act fails here."""
    user, _ = await world.user()
    store, _ = await world.store()
    body = {"name": "W", "member_ids": [str(user)]}
    workspace = (await world.operations.post("/v1/admin/workspaces", headers=ADMIN, json=body)).json()["id"]
    person, _ = await operator(world, "viewer")
    key = (await world.operations.post(f"/v1/admin/stores/{store}/keys", headers=ADMIN)).json()["id"]
    ids = {"stores": str(store), "users": str(user), "workspaces": workspace, "operators": person}
    await world.operations.delete(f"/v1/admin/stores/{store}/keys/{key}", headers=ADMIN)
    bodies: dict[str, dict[str, Any]] = {
        "POST /v1/admin/stores": {"name": "x"},
        "PATCH /v1/admin/stores/{id}": {"suspended": False},
        "POST /v1/admin/users": {"email": f"{uuid4().hex}@shop.net"},
        "PATCH /v1/admin/users/{id}": {"disabled": False},
        "POST /v1/admin/workspaces": body,
        "POST /v1/admin/credits/grants": {"owner": {"kind": "store", "id": str(store)}, "credits": 1, "reason": "x"},
        "POST /v1/admin/operators": {"name": "x", "role": "viewer"},
        "PATCH /v1/admin/operators/{id}": {"role": "operator"},
    }
    count = "SELECT count(*) FROM admin_acts"
    described = (await world.operations.get("/openapi.json")).json()["paths"]
    changing = [(m.upper(), path) for path, routes in described.items() for m in routes if m != "get"]
    # What ends an operator comes last: the others need them.
    changing.sort(key=lambda route: route == ("DELETE", "/v1/admin/operators/{id}"))

    assert len(changing) > 12
    for method, path in changing:
        before = await world.pool.fetchval(count)
        url = path.replace("{id}", ids.get(path.split("/")[3], "")).replace("{user_id}", str(user))
        url = url.replace("{key_id}", str(key))
        answered = await world.operations.request(method, url, headers=ADMIN, json=bodies.get(f"{method} {path}"))
        assert answered.is_success or path.endswith("/ledger/proofs"), (method, path, answered.text)
        assert await world.pool.fetchval(count) == before + 1, (method, path)


async def test_when_an_operator_was_last_seen_is_known_to_the_minute(world: World) -> None:
    id_, headers = await operator(world, "viewer")
    await world.operations.get(OPERATORS, headers=headers)

    await world.parts.operators.token_use.flush()

    found = await world.pool.fetchrow("SELECT last_used_at, created_at FROM operators WHERE id = $1", UUID(id_))
    assert found is not None and found["last_used_at"] is not None


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
