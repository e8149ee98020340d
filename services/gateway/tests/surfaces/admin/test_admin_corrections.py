"""Corrections: 201 names what billing posted, a refusal says why, and a key corrects once."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from atelier_contracts import BooksCorrected, ReturnCredit, TakeBackCredit
from atelier_gateway.idempotency import store as idempotency_store

from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack
RETURNS, TAKE_BACKS = "/v1/admin/credits/returns", "/v1/admin/credits/take-backs"


def charge(world: World) -> UUID:
    generation = uuid4()
    world.neighbours.records[f"holds/{generation}"] = {"state": "captured", "captured": 4}
    return generation


def return_of(generation: UUID, **more: Any) -> dict[str, Any]:
    return {"generation_id": str(generation), "reason": "the picture is broken"} | more


async def orders(world: World, act: str) -> list[dict[str, Any]]:
    rows = await world.operations.get("/v1/admin/acts", headers=ADMIN, params={"act": act})
    return [row["details"] for row in rows.json()["data"]]


async def test_a_charge_is_returned_and_the_act_names_it_with_its_reason(world: World) -> None:
    generation = charge(world)

    answer = await world.operations.post(RETURNS, headers=ADMIN, json=return_of(generation, credits=3))

    assert answer.status_code == 201
    done = answer.json()
    assert (done["kind"], done["generation_id"], done["credits"]) == ("return", str(generation), 3)
    (order,) = [o for o in await orders(world, "credits.return") if o["generation_id"] == str(generation)]
    assert order == return_of(generation, credits=3) | {"correction_id": done["id"]}


async def test_a_grant_is_taken_back_and_the_answer_says_how_much_there_was(world: World) -> None:
    store, _ = await world.store()
    body = {"owner": {"kind": "store", "id": str(store)}, "credits": 50, "reason": "granted twice"}
    world.neighbours.correct = lambda command: BooksCorrected(
        correction_id=command.correction_id, kind="take_back", owner=None, credits=20, available=0
    )

    answer = await world.operations.post(TAKE_BACKS, headers=ADMIN, json=body)

    assert (answer.status_code, answer.json()["credits"], answer.json()["available"]) == (201, 20, 0)


async def test_a_repeated_request_with_its_key_corrects_once(world: World) -> None:
    generation, headers = charge(world), ADMIN | {"Idempotency-Key": f"return-{uuid4()}"}

    answers = [await world.operations.post(RETURNS, headers=headers, json=return_of(generation)) for _ in range(2)]

    assert answers[0].json() == answers[1].json()
    assert [answer.headers.get("Idempotency-Replayed") for answer in answers] == [None, "true"]
    sent = [e.message for e in world.neighbours.heard if isinstance(e.message, ReturnCredit | TakeBackCredit)]
    assert [message.generation_id for message in sent if isinstance(message, ReturnCredit)].count(generation) == 1


async def test_a_key_of_an_earlier_day_does_not_return_another_charge(world: World) -> None:
    first, second = charge(world), charge(world)
    headers = ADMIN | {"Idempotency-Key": f"return-{first}"}
    await world.operations.post(RETURNS, headers=headers, json=return_of(first))
    await world.pool.execute("UPDATE idempotency SET claimed_at = claimed_at - interval '25 hours'")
    await idempotency_store.prune(world.pool)

    again = await world.operations.post(RETURNS, headers=headers, json=return_of(first))
    await world.pool.execute("UPDATE idempotency SET claimed_at = claimed_at - interval '25 hours'")
    await idempotency_store.prune(world.pool)
    other = await world.operations.post(RETURNS, headers=headers, json=return_of(second))

    assert (again.status_code, again.json()["corrected_before"]) == (201, True)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


@pytest.mark.parametrize("why", ["not_charged", "exceeds_charge"])
async def test_a_return_that_billing_refuses_is_409_and_says_why(world: World, why: str) -> None:
    generation = charge(world)
    world.neighbours.correct = lambda command: BooksCorrected(
        correction_id=command.correction_id,
        kind="return",
        owner=None,
        generation_id=generation,
        credits=0,
        available=0,
        refused=why,
    )

    answer = await world.operations.post(RETURNS, headers=ADMIN, json=return_of(generation))

    assert (answer.status_code, answer.json()["code"]) == (409, "conflict")
    assert "nothing was returned" in answer.json()["detail"]


async def test_what_was_never_charged_is_refused_before_anything_is_sent(world: World) -> None:
    held, unknown = uuid4(), uuid4()
    world.neighbours.records[f"holds/{held}"] = {"state": "open", "captured": 0}

    answers = [
        (await world.operations.post(RETURNS, headers=ADMIN, json=return_of(id_))).status_code
        for id_ in (held, unknown)
    ]

    assert answers == [409, 404]
    named = [o["generation_id"] for o in await orders(world, "credits.return")]
    assert str(held) not in named and str(unknown) not in named


@pytest.mark.parametrize(("first", "then"), [(30, 20), (None, 30), (30, None)])
async def test_a_key_of_an_earlier_day_does_not_take_back_another_amount(
    world: World, first: int | None, then: int | None
) -> None:
    store, _ = await world.store()
    headers = ADMIN | {"Idempotency-Key": f"take-back-{uuid4()}"}
    answers = []
    for credits in (first, first, then):
        body = {"owner": {"kind": "store", "id": str(store)}, "credits": credits, "reason": "granted twice"}
        answers.append(await world.operations.post(TAKE_BACKS, headers=headers, json=body))
        await world.pool.execute("UPDATE idempotency SET claimed_at = claimed_at - interval '25 hours'")
        await idempotency_store.prune(world.pool)

    assert [answer.status_code for answer in answers] == [201, 201, 422]
    assert [answer.json().get("corrected_before") for answer in answers] == [False, True, None]
