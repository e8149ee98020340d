"""What is left to an operator, and what follows a decision: once, whatever is late or repeated."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from prometheus_client import REGISTRY

from atelier_contracts import BooksCorrected, Owner, ReturnCredit
from atelier_gateway.disputes.settlement import observe_waiting

from ..support.disputes import UNIT, deliver, dispute, picture
from ..support.world import ADMIN, World

pytestmark = pytest.mark.stack


async def test_past_the_monthly_bound_an_operator_decides(
    world: World, store: tuple[Owner, dict[str, str]], policy: Any
) -> None:
    owner, headers = store
    policy(refunds_max=1)
    first = await deliver(world, owner, headers, picture(plain=True))
    second = await deliver(world, owner, headers, picture(plain=True))

    states = [(await dispute(world, headers, generation)).json() for generation in (first, second)]

    assert [(each["status"], each["rule"]) for each in states] == [
        ("refunded", "broken_output"),
        ("review", "monthly_limit"),
    ]


async def count_waiting(world: World) -> float:
    """The disputes that wait, as the metric shows them."""
    await observe_waiting(world.pool)
    return REGISTRY.get_sample_value("atelier_disputes_waiting") or 0.0


async def test_what_is_left_to_an_operator_is_listed_and_decided_once(
    world: World, store: tuple[Owner, dict[str, str]], policy: Any
) -> None:
    owner, headers = store
    policy(mode="review")
    before, ids = await count_waiting(world), []
    for _ in range(2):
        generation = await deliver(world, owner, headers, picture())
        ids.append((await dispute(world, headers, generation, "poor_quality", text="It has six fingers.")).json()["id"])

    waiting = await count_waiting(world)
    queue = await world.operations.get("/v1/admin/disputes", headers=ADMIN, params={"status": "review"})
    decisions = [
        await world.operations.post(f"/v1/admin/disputes/{id_}/decision", headers=ADMIN, json=body)
        for id_, body in (
            (ids[0], {"decision": "refund", "reason": "six fingers indeed"}),
            (ids[1], {"decision": "decline", "reason": "five fingers"}),
            (ids[1], {"decision": "refund", "reason": "after all"}),
        )
    ]

    assert (waiting - before, await count_waiting(world) - before) == (2, 0)
    assert [row["id"] for row in queue.json()["data"]] == ids[::-1]
    assert [answer.status_code for answer in decisions] == [200, 200, 409]
    refunded, declined = (answer.json() for answer in decisions[:2])
    assert (refunded["status"], refunded["credits"], refunded["note"]) == ("refunded", UNIT, "six fingers indeed")
    assert (declined["status"], declined["credits"], declined["rule"]) == ("declined", 0, "operator")
    acts = await world.operations.get("/v1/admin/acts", headers=ADMIN, params={"act": "dispute.decide"})
    assert {row["target"]["id"] for row in acts.json()["data"]} >= set(ids)


@pytest.mark.usefixtures("short_waits")
async def test_a_refund_that_billing_answers_late_ends_with_its_event(
    world: World, store: tuple[Owner, dict[str, str]]
) -> None:
    owner, headers = store
    await world.client.post("/v1/webhooks", headers=headers, json={"url": "http://127.0.0.1:9/x"})
    generation = await deliver(world, owner, headers, picture(plain=True))
    answer_later: list[ReturnCredit] = []

    def silent(command: Any) -> BooksCorrected:
        answer_later.append(command)
        return BooksCorrected(correction_id=uuid4(), kind="return", owner=None, credits=0, available=0)

    world.neighbours.correct = silent
    pending = (await dispute(world, headers, generation)).json()
    reply = BooksCorrected(
        correction_id=UUID(pending["id"]),
        kind="return",
        owner=owner,
        generation_id=generation,
        credits=UNIT,
        available=9,
    )
    await world.neighbours.say(reply)

    async def is_refunded() -> bool:
        found = await world.client.get(f"/v1/generations/{generation}/disputes", headers=headers)
        return bool(found.json()["data"][0]["status"] == "refunded")

    await world.until(is_refunded)
    await world.neighbours.say(reply)
    await deliver(world, owner, headers, picture())  # what is said after it is projected, and so it has been heard
    assert pending["status"] == "refunding"
    events = "SELECT type FROM public_events WHERE subject = $1 AND type LIKE 'dispute.%' ORDER BY position"
    types = [row["type"] for row in await world.pool.fetch(events, generation)]
    deliveries = "SELECT count(*) FROM webhook_deliveries WHERE generation_id = $1 AND type = 'dispute.decided'"
    assert types == ["dispute.opened.v1", "dispute.decided.v1"]
    assert await world.pool.fetchval(deliveries, generation) == 1


@pytest.mark.usefixtures("short_waits")
async def test_a_refund_that_was_lost_with_the_broker_is_ordered_again(
    world: World, store: tuple[Owner, dict[str, str]]
) -> None:
    owner, headers = store
    generation = await deliver(world, owner, headers, picture(plain=True))
    correct, ordered = world.neighbours.correct, list[Any]()

    def lose(command: Any) -> BooksCorrected:
        ordered.append(command)
        world.neighbours.correct = correct
        return BooksCorrected(correction_id=uuid4(), kind="return", owner=None, credits=0, available=0)

    world.neighbours.correct = lose
    pending = (await dispute(world, headers, generation)).json()
    world.neighbours.corrections.clear()
    await world.pool.execute("UPDATE disputes SET created_at = now() - interval '1 hour'")
    await world.container.disputes.repeat_returns()

    async def is_refunded() -> bool:
        found = await world.client.get(f"/v1/generations/{generation}/disputes", headers=headers)
        return bool(found.json()["data"][0]["status"] == "refunded")

    await world.until(is_refunded)
    assert (pending["status"], [str(each.correction_id) for each in ordered]) == ("refunding", [pending["id"]])


async def test_a_charge_that_an_operator_returned_in_between_is_not_returned_again(
    world: World, store: tuple[Owner, dict[str, str]]
) -> None:
    owner, headers = store
    generation = await deliver(world, owner, headers, picture(plain=True))
    world.neighbours.correct = lambda command: BooksCorrected(
        correction_id=command.correction_id,
        kind="return",
        owner=owner,
        generation_id=generation,
        credits=0,
        available=9,
        refused="not_charged",
    )

    done = (await dispute(world, headers, generation)).json()

    assert (done["status"], done["rule"], done["credits"]) == ("declined", "returned_before", 0)


async def test_a_deleted_generation_keeps_the_decision_without_the_text(
    world: World, store: tuple[Owner, dict[str, str]]
) -> None:
    owner, headers = store
    generation = await deliver(world, owner, headers, picture())
    id_ = (await dispute(world, headers, generation, text="personal words")).json()["id"]

    gone = await world.client.delete(f"/v1/generations/{generation}", headers=headers)

    kept = await world.operations.get(f"/v1/admin/disputes/{id_}", headers=ADMIN)
    assert (gone.status_code, kept.json()["status"], kept.json()["text"]) == (204, "declined", "")
