"""What failed and why, and which requests were refused, for operators."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from atelier_gateway.identity import refusal_log

from ...support.native import IMAGE, create, fail
from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack
FAILURES, REFUSALS = "/v1/admin/failures", "/v1/admin/refusals"


async def ask(world: World, path: str, **params: Any) -> dict[str, Any]:
    answer = await world.operations.get(path, headers=ADMIN, params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def refused(world: World, **params: Any) -> list[dict[str, Any]]:
    await world.container.refusals.flush()
    return list((await ask(world, REFUSALS, **params))["data"])


async def test_failures_of_a_period_are_grouped_by_cause_with_an_example(world: World) -> None:
    (_, one), (_, two) = await world.store(), await world.store()
    failed = [await create(world, key) for key in (one, one, two)]
    for id_, key in zip(failed, (one, one, two), strict=True):
        await fail(world, key, id_)
    await create(world, one)

    report = await ask(world, FAILURES)

    (cause,) = report["data"]
    assert (cause["code"], cause["state"], cause["kind"]) == ("provider_failed", "failed", "image")
    assert (cause["number"], cause["owners"]) == (3, 2)
    assert cause["newest"] == [str(id_) for id_ in reversed(failed)]
    assert (report["scanned"], report["is_whole"]) == (3, True)
    before = (datetime.now(UTC) - timedelta(hours=2)).isoformat(), (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    assert (await ask(world, FAILURES, **dict(zip(("from", "to"), before, strict=True))))["data"] == []
    assert (await world.operations.get(FAILURES, headers=ADMIN, params={"from": "yesterday"})).status_code == 400


async def test_who_was_refused_is_known_with_the_reason_and_how_often(world: World) -> None:
    (one, key), (two, other) = await world.store(), await world.store()
    for _ in range(3):
        await world.client.post("/v1/generations", headers=key, json=IMAGE | {"size": "7x7"})
    wrong = await world.client.post("/api/v1/generation/create", headers=other, json={"image_urls": []})
    assert wrong.status_code == 400

    (alike,) = await refused(world, owner_id=str(one))
    (elsewhere,) = await refused(world, owner_id=str(two))

    assert (alike["code"], alike["surface"], alike["number"]) == ("invalid_request", "native", 3)
    assert "size" in alike["detail"] and alike["owner"] == {"kind": "store", "id": str(one)}
    assert (elsewhere["surface"], elsewhere["request_id"]) == ("b2b", wrong.headers["X-Request-Id"])
    await world.client.post("/v1/generations", headers=key, json=IMAGE | {"size": "7x7"})
    (again,) = await refused(world, owner_id=str(one))
    assert (again["id"], again["number"]) == (alike["id"], 4)
    assert [row["id"] for row in await refused(world, limit=1)] == [elsewhere["id"]]
    assert (await world.operations.get(REFUSALS, headers=ADMIN, params={"owner_kind": "x"})).status_code == 400


async def test_a_suspended_store_is_among_the_refused_and_an_unknown_address_is_not(world: World) -> None:
    store, key = await world.store()
    assert (await world.client.get(f"/v1/generations/{store}", headers=key)).status_code == 404
    await world.operations.patch(f"/v1/admin/stores/{store}", headers=ADMIN, json={"suspended": True})

    assert (await world.client.post("/v1/generations", headers=key, json=IMAGE)).status_code == 403

    assert [row["code"] for row in await refused(world, owner_id=str(store))] == ["account_disabled"]


async def test_more_refusals_than_are_kept_at_once_are_dropped_and_the_rest_is_saved(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusal_log, "UNSAVED_MAX", 1)
    (one, key), (two, other) = await world.store(), await world.store()
    await world.container.refusals.flush()

    for headers in (key, other, key):
        await world.client.post("/v1/generations", headers=headers, json=IMAGE | {"size": "7x7"})

    assert [row["number"] for row in await refused(world, owner_id=str(one))] == [2]
    assert await refused(world, owner_id=str(two)) == []
