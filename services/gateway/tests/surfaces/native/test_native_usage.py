"""Usage as its owner gets it: pages of JSON, one CSV file, and refusals that name the parameter."""

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest

from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack
NOVEMBER = {"from": "2026-11-01", "to": "2026-12-01"}


def sums(day: str | None, model: str | None, captured: int, returned: int = 0) -> dict[str, Any]:
    amounts = {"generations": 1, "reserved": captured, "captured": captured, "refunded": 0, "returned": returned}
    return {"day": day, "key": None, "kind": None, "provider": None, "model": model, **amounts}


async def test_rows_come_in_pages_and_totals_are_of_all(world: World) -> None:
    user, headers = await world.user()
    rows = [sums("2026-11-29", None, 1), sums("2026-11-29", "m", 20, 5), sums("2026-11-30", "m", 300)]
    world.neighbours.records[f"accounts/user/{user}/usage"] = rows
    asked = NOVEMBER | {"by": "model,day", "limit": "2"}

    first = (await world.client.get("/v1/usage", headers=headers, params=asked)).json()
    second = await world.client.get("/v1/usage", headers=headers, params=asked | {"cursor": first["next_cursor"]})

    last = second.json()
    assert [(row["day"], row["model"], row["charged"]) for row in first["data"] + last["data"]] == [
        ("2026-11-29", None, 1),
        ("2026-11-29", "m", 15),
        ("2026-11-30", "m", 300),
    ]
    assert last["next_cursor"] is None
    assert (first["by"], first["totals"]) == (["day", "model"], last["totals"])
    assert first["totals"] == {
        "generations": 3,
        "reserved": 321,
        "captured": 321,
        "refunded": 0,
        "returned": 5,
        "charged": 316,
    }
    since, until = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    assert world.neighbours.usage_asked[0] == (since, until, "day,model")


async def test_each_key_of_a_store_has_rows_of_its_own_and_is_recognised_by_its_prefix(world: World) -> None:
    store, headers = await world.store()
    listed = await world.operations.get(f"/v1/admin/stores/{store}/keys", headers=ADMIN)
    key = listed.json()["data"][0]
    gone = "01a1fc2b-e840-76c4-840b-55c1df4115f6"
    rows = [sums(None, None, 1), sums(None, None, 20) | {"key": gone}, sums(None, None, 300) | {"key": key["id"]}]
    world.neighbours.records[f"accounts/store/{store}/usage"] = sorted(rows, key=lambda row: row["key"] or "")
    asked = NOVEMBER | {"by": "key"}

    pages = (await world.client.get("/v1/usage", headers=headers, params=asked)).json()
    file = await world.client.get("/v1/usage", headers=headers, params=asked | {"format": "csv"})

    assert {(row["key"], row["key_prefix"], row["charged"]) for row in pages["data"]} == {
        (None, None, 1),
        (gone, None, 20),
        (key["id"], key["prefix"], 300),
    }
    assert headers["X-API-Key"].startswith(f"atl_{key['prefix']}_")
    assert file.text.splitlines()[0].startswith("key,key_prefix,generations,")
    assert f"{key['id']},{key['prefix']},1,300," in file.text


@pytest.mark.parametrize(
    ("more", "accept"), [({"format": "csv"}, "*/*"), ({}, "text/csv"), ({"limit": "1", "format": "csv"}, "*/*")]
)
async def test_a_csv_file_holds_all_rows_and_no_formula(world: World, more: dict[str, str], accept: str) -> None:
    user, headers = await world.user()
    world.neighbours.records[f"accounts/user/{user}/usage"] = [
        sums(None, None, 4, 1),
        sums(None, "=1+1", 2),
        sums(None, 'a "quoted", name', 3),
    ]
    asked = NOVEMBER | {"by": "model"} | more

    answer = await world.client.get("/v1/usage", headers=headers | {"Accept": accept}, params=asked)

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="usage-2026-11-01-2026-12-01.csv"'
    assert list(csv.reader(io.StringIO(answer.text, newline=""))) == [
        ["model", "generations", "reserved", "captured", "refunded", "returned", "charged"],
        ["", "1", "4", "4", "0", "1", "3"],
        ["'=1+1", "1", "2", "2", "0", "0", "2"],
        ['a "quoted", name', "1", "3", "3", "0", "0", "3"],
    ]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"by": "day,colour"}, "by"),
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-11-01"}, "to"),
        ({"format": "xml"}, "format"),
        ({"limit": "1001"}, "limit"),
        ({"cursor": "!"}, "cursor"),
        ({"cursor": "W10"}, "cursor"),
        ({"by": "day", "cursor": "WzFd"}, "cursor"),
    ],
)
async def test_a_refusal_names_the_parameter(world: World, wrong: dict[str, str], field: str) -> None:
    _, headers = await world.user()

    answer = await world.client.get("/v1/usage", headers=headers, params=NOVEMBER | wrong)

    assert answer.status_code == 400, answer.text
    assert [error["field"] for error in answer.json()["errors"]] == [field]


async def test_too_much_at_once_is_refused_with_what_to_do(world: World) -> None:
    _, headers = await world.user()
    world.neighbours.records["usage refused"] = "the period has more than 10000 groups"

    answer = await world.client.get("/v1/usage", headers=headers, params=NOVEMBER)

    assert answer.status_code == 400
    assert "more than 10000 groups: a shorter period is required" in answer.json()["detail"]


async def test_a_workspaces_usage_is_its_members_to_see(world: World) -> None:
    _, headers = await world.user()
    foreign = headers | {"X-Workspace-Id": "01a1fc2b-e840-76c4-840b-55c1df4115f5"}

    assert (await world.client.get("/v1/usage")).status_code == 401
    assert (await world.client.get("/v1/usage", headers=foreign)).status_code == 403
