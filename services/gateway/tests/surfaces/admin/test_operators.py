"""Operators are people: each has a token and a role."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest

from atelier_gateway.identity.operator_store import FIRST

from ...support.operators import OPERATORS, operator, renew
from ...support.world import ADMIN, ADMIN_TOKEN, World

pytestmark = pytest.mark.stack
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
    """After each test, with the token of the settings."""
    yield
    await renew(world)


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
    await world.container.operator_authenticator.set_first(ADMIN_TOKEN)  # as a restarted process does
    same = await world.operations.get(OPERATORS, headers=ADMIN)
    await world.container.operator_authenticator.set_first("another token of the settings")
    changed = await world.operations.get(OPERATORS, headers={"Authorization": "Bearer another token of the settings"})
    await world.container.operator_authenticator.set_first(None)
    world.container.operator_authenticator.clear_cache()
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


async def test_when_an_operator_was_last_seen_is_known_to_the_minute(world: World) -> None:
    id_, headers = await operator(world, "viewer")
    await world.operations.get(OPERATORS, headers=headers)

    await world.container.operator_authenticator.token_use.flush()

    found = await world.pool.fetchrow("SELECT last_used_at, created_at FROM operators WHERE id = $1", UUID(id_))
    assert found is not None and found["last_used_at"] is not None
