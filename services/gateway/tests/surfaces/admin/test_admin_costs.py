"""The operator's report of costs: billing's and render's figures in one table, in whole micro-units."""

from typing import Any

import pytest

from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack
COSTS, NOVEMBER = "/v1/admin/costs", {"from": "2026-11-01", "to": "2026-12-01"}
ID = "01a1fc2b-e840-76c4-840b-55c1df4115f5"
TABLE = {
    "currency": "USD",
    "versions": [{"version": "1", "valid_from": "2026-11-01T00:00:00Z", "credit_value": 10_000}],
}


def spent(provider: str | None, cost: int, exposure: int) -> dict[str, Any]:
    counts = {"submissions": 2, "unpriced": 0, "unknown": 1, "cost_micros": cost, "exposure_micros": exposure}
    return {"provider": provider, "model": None, "day": None, "currency": "USD", **counts}


def earned(provider: str, day: str, captured: int) -> dict[str, Any]:
    amounts = {"generations": 1, "reserved": captured, "captured": captured, "refunded": 0, "returned": 0}
    return {"day": day, "kind": None, "provider": provider, "model": None, **amounts}


async def test_revenue_cost_waste_and_margin_stand_in_one_row(world: World) -> None:
    records = world.neighbours.records
    records["costs/sums"] = {"sums": [spent("openai", 63_000, 500_000)], "table": TABLE}
    records["usage"] = [earned("openai", "2026-11-10", 10), earned("local", "2026-11-11", 2)]
    costly = {"provider": "openai", "model": None, "day": "2026-11-10", "delivered": True, "currency": "USD"}
    records["costs/submissions"] = {"submissions": [costly | {"id": ID, "generation_id": ID, "cost_micros": 31_500}]}
    records["charges"] = {ID: {"state": "captured", "charged": 0}}

    answer = await world.operations.get(COSTS, headers=ADMIN, params=NOVEMBER | {"by": "provider"})

    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert (report["currency"], report["by"]) == ("USD", ["provider"])
    local, openai = report["data"]
    assert (local["provider"], local["revenue_micros"], local["cost_micros"], local["margin_micros"]) == (
        "local",
        20_000,
        0,
        20_000,
    )
    assert {name: openai[name] for name in ("charged", "revenue_micros", "cost_micros", "waste_micros")} == {
        "charged": 10,
        "revenue_micros": 100_000,
        "cost_micros": 63_000,
        "waste_micros": 31_500,
    }
    assert (openai["exposure_micros"], openai["unknown"], openai["margin_micros"]) == (500_000, 1, 37_000)
    assert report["totals"]["margin_micros"] == 57_000
    assert world.neighbours.usage_asked[-1][2] in ("provider,day", "day,provider")


async def test_without_a_table_credits_are_counted_and_money_is_not_known(world: World) -> None:
    world.neighbours.records["costs/sums"] = {"sums": [], "table": None}
    world.neighbours.records["costs/submissions"] = {"submissions": []}
    world.neighbours.records["usage"] = [earned("local", "2026-11-11", 2)]

    report = (await world.operations.get(COSTS, headers=ADMIN, params=NOVEMBER)).json()

    totals = report["totals"]
    assert (report["currency"], totals["charged"], totals["revenue_micros"], totals["margin_micros"]) == (
        None,
        2,
        None,
        None,
    )


async def test_only_operators_see_it_and_a_wrong_group_is_named(world: World) -> None:
    _, headers = await world.user()

    assert (await world.operations.get(COSTS)).status_code == 401
    assert (await world.operations.get(COSTS, headers=headers)).status_code == 401
    wrong = await world.operations.get(COSTS, headers=ADMIN, params=NOVEMBER | {"by": "customer"})
    assert wrong.status_code == 400
    assert wrong.json()["errors"][0]["field"] == "by"
