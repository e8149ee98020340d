"""Generations of all owners for operators: lists, the search, the overview, a cancel."""

from typing import Any
from uuid import uuid4

import pytest

from atelier_contracts import CancelRequested
from atelier_gateway.projection import operator_lists

from ...support.native import IMAGE, create, fail
from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack
GENERATIONS = "/v1/admin/generations"


async def ask(world: World, path: str, **params: Any) -> dict[str, Any]:
    answer = await world.operations.get(path, headers=ADMIN, params=params)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def ids(page: dict[str, Any]) -> list[str]:
    return [row["id"] for row in page["data"]]


async def test_generations_of_all_owners_are_listed_filtered_and_paged(world: World) -> None:
    (one, one_key), (_, two_key) = await world.store(), await world.store()
    first, second = await create(world, one_key), await create(world, two_key)
    third = await create(world, one_key)
    await fail(world, one_key, third)

    newest = await ask(world, GENERATIONS, limit=2)
    older = await ask(world, GENERATIONS, limit=2, cursor=newest["next_cursor"])
    of_one = await ask(world, GENERATIONS, owner_kind="store", owner_id=str(one))
    failed = await ask(world, GENERATIONS, state="failed")
    oldest_open = await ask(world, GENERATIONS, state="open", limit=1)

    assert ids(newest) + ids(older) == [str(third), str(second), str(first)]
    assert older["next_cursor"] is None
    assert ids(of_one) == [str(third), str(first)]
    assert ids(failed) == [str(third)] and failed["data"][0]["error"]["code"] == "provider_failed"
    assert ids(oldest_open) == [str(first)]
    assert ids(await ask(world, GENERATIONS, state="open", cursor=oldest_open["next_cursor"])) == [str(second)]
    assert ids(await ask(world, GENERATIONS, state="open", older_than_s=3600)) == []
    for wrong in ({"state": "nowhere"}, {"owner_id": "x"}, {"state": "open", "older_than_s": "-1"}):
        refused = await world.operations.get(GENERATIONS, headers=ADMIN, params=wrong)
        assert refused.status_code == 400, wrong


async def test_a_page_reads_a_bounded_number_of_rows_and_leads_on_from_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operator_lists, "SCAN_MAX", 3)
    _, key = await world.store()
    rare = await create(world, key)
    await fail(world, key, rare)
    for _ in range(4):
        await create(world, key)

    nothing_yet = await ask(world, GENERATIONS, state="failed")
    found = await ask(world, GENERATIONS, state="failed", cursor=nothing_yet["next_cursor"])

    assert ids(nothing_yet) == []
    assert (ids(found), found["next_cursor"]) == ([str(rare)], None)


async def test_anything_is_found_by_whatever_is_known_of_it(world: World) -> None:
    store, key = await world.store("Night boutique")
    user, _ = await world.user()
    made = await world.client.post("/v1/generations", headers=key, json=IMAGE | {"metadata": {"order": "SO-1042"}})
    id_, request = made.json()["id"], made.headers["X-Request-Id"]
    trace = await world.pool.fetchval("SELECT trace_id FROM generations")
    email = await world.pool.fetchval("SELECT email FROM users")
    known = {id_: "generation", request: "generation", "SO-1042": "generation", str(store): "store", str(user): "user"}
    known |= {email.upper(): "user", "night BOUT": "store", key["X-API-Key"]: "key"}
    known |= {key["X-API-Key"].rpartition("_")[0]: "key"} | ({trace: "generation"} if trace else {})

    for text, kind in known.items():
        found = await ask(world, "/v1/admin/search", q=text)
        assert [hit["kind"] for hit in found["data"]] == [kind], text

    secret = key["X-API-Key"].rpartition("_")[2]
    assert secret not in str(await ask(world, "/v1/admin/search", q=key["X-API-Key"]))
    assert (await ask(world, "/v1/admin/search", q=str(uuid4())))["data"] == []
    for wrong in ("", "x" * 321, "a\nb"):
        refused = await world.operations.get("/v1/admin/search", headers=ADMIN, params={"q": wrong})
        assert refused.status_code == 400


async def test_an_operator_sees_what_was_ordered_and_cancels_it_with_a_reason(world: World) -> None:
    _, key = await world.store()
    id_ = await create(world, key)

    before = await ask(world, f"{GENERATIONS}/{id_}")
    cancelled = await world.operations.post(f"{GENERATIONS}/{id_}/cancel", headers=ADMIN, json={"reason": "it hangs"})
    again = await world.operations.post(f"{GENERATIONS}/{id_}/cancel", headers=ADMIN, json={"reason": "it hangs"})
    without = await world.operations.post(f"{GENERATIONS}/{id_}/cancel", headers=ADMIN, json={})

    assert before["request"]["spec"]["prompt"] == "a cat" and before["outputs"] == []
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert (again.status_code, without.status_code) == (409, 400)
    assert [e.message.generation_id for e in world.neighbours.heard if isinstance(e.message, CancelRequested)] == [id_]
    acts = await ask(world, "/v1/admin/acts", target=str(id_))
    assert [(act["act"], act["details"]) for act in acts["data"]] == [("generation.cancel", {"reason": "it hangs"})]


async def test_what_a_client_signed_for_its_bucket_is_shown_to_no_operator(world: World) -> None:
    _, key = await world.store()
    to = "https://bucket.example.com/pictures/1.png"
    signed = {**IMAGE, "charge": "on_delivery", "deliver_to": [f"{to}?X-Amz-Signature=5ec7e7"]}
    id_ = await create(world, key, signed)

    seen = await ask(world, f"{GENERATIONS}/{id_}")
    owners = await world.client.get(f"/v1/generations/{id_}", headers=key)

    assert seen["request"]["deliver_to"] == owners.json()["delivery"]["deliver_to"] == [to]
    assert "5ec7e7" not in str(seen) + owners.text


async def test_the_overview_says_who_does_not_answer_and_shows_the_rest(world: World) -> None:
    _, key = await world.store()
    id_ = await create(world, key)

    seen = await ask(world, "/v1/admin/overview")

    assert {each["service"]: each["answers"] for each in seen["services"]} == {
        "gateway": True,
        "session": False,
        "billing": False,
        "render": False,
    }
    assert seen["open_source"] == "gateway"
    assert [(each["state"], each["number"], each["oldest_id"]) for each in seen["open"]] == [("queued", 1, str(id_))]
    assert [(each["number"], each["owner"]["kind"]) for each in seen["busiest"]] == [(1, "store")]
    assert seen["recent"]["by_state"] == {"queued": 1} and seen["findings"] is None


async def test_a_reason_in_the_header_is_kept_and_a_forged_line_is_refused(world: World) -> None:
    store, _ = await world.store()
    path = f"/v1/admin/stores/{store}"

    for reason, status in (("ticket%2017%20%E2%80%93%20fraud", 200), ("a%0Ab", 400), ("x" * 501, 400)):
        answer = await world.operations.patch(
            path, headers=ADMIN | {"X-Operator-Reason": reason}, json={"suspended": True}
        )
        assert answer.status_code == status, reason

    acts = await ask(world, "/v1/admin/acts", target=str(store), act="store.suspend")
    assert [act["details"] for act in acts["data"]] == [{"reason": "ticket 17 – fraud"}]
