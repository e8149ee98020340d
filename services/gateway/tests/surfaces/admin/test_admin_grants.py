"""Grants: 201 names what billing has on its books, and nothing is sent that could not be kept."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from atelier_gateway.idempotency import store as idempotency_store

from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack
GRANTS = "/v1/admin/credits/grants"


def grant_to(store: UUID, credits: int = 50, **more: object) -> dict[str, object]:
    return {"owner": {"kind": "store", "id": str(store)}, "credits": credits, "reason": "monthly"} | more


async def give(world: World, body: dict[str, object], key: str) -> httpx.Response:
    return await world.client.post(GRANTS, headers=ADMIN | {"Idempotency-Key": key}, json=body)


async def a_day_passes(world: World) -> None:
    await world.pool.execute("UPDATE idempotency SET claimed_at = claimed_at - interval '25 hours'")
    await idempotency_store.prune(world.pool)


@pytest.mark.parametrize(
    "changed", [{"credits": 70}, {"priority": 5}, {"expires_at": (datetime.now(UTC) + timedelta(days=9)).isoformat()}]
)
async def test_a_key_of_an_earlier_day_never_answers_for_credits_that_were_not_given(
    world: World, changed: dict[str, Any]
) -> None:
    store, _ = await world.store()
    key = f"monthly-{store}"
    first = await give(world, grant_to(store), key)
    await a_day_passes(world)

    again = await give(world, grant_to(store) | changed, key)

    assert first.status_code == 201
    assert (again.status_code, again.json()["code"]) == (422, "idempotency_key_reused")


async def test_a_key_of_an_earlier_day_does_not_give_to_another_owner(world: World) -> None:
    (first, _), (second, _) = await world.store(), await world.store()
    key = f"monthly-{first}"
    await give(world, grant_to(first), key)
    await a_day_passes(world)

    refused = await give(world, grant_to(second), key)

    assert (refused.status_code, refused.json()["code"]) == (422, "idempotency_key_reused")
    assert [grant.owner.id for grant in world.neighbours.grants.values()].count(second) == 0


async def test_the_same_grant_a_day_later_says_that_it_was_given_before(world: World) -> None:
    store, _ = await world.store()
    key = f"monthly-{store}"
    first = await give(world, grant_to(store), key)
    await a_day_passes(world)

    again = await give(world, grant_to(store), key)

    assert (first.status_code, first.json()["given_before"]) == (201, False)
    assert (again.status_code, again.json()["given_before"]) == (201, True)


@pytest.mark.parametrize(
    "expires_at",
    [
        "9999-12-31T23:59:59-14:00",
        "9000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+14:00",
        "2020-01-01T00:00:00Z",
        "2999-01-01T00:00:00",
    ],
)
async def test_an_expiry_that_is_past_or_cannot_be_kept_is_refused_before_anything_is_sent(
    world: World, expires_at: str
) -> None:
    store, _ = await world.store()
    key = f"expiring-{store}"

    refused = await give(world, grant_to(store, expires_at=expires_at), key)

    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (400, "expires_at")
    assert world.neighbours.heard == [] and (await world.rows())["outbox"] == 0
    assert (await give(world, grant_to(store, expires_at="8999-12-31T23:59:59-14:00"), key)).status_code == 201
