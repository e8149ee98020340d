"""A generation made once more for free: an ordinary one, whose charge is given back by an ordinary command."""

from typing import Any
from uuid import UUID

import httpx
import pytest

from atelier_contracts import GenerationRequested, ReturnCredit

from ...support.native import IMAGE, create, fail, success, wait_until_status
from ...support.neighbours import decline
from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack


async def rerender(
    world: World, id_: object, key: str | None = None, reason: str = "it has three arms"
) -> httpx.Response:
    keyed = {"Idempotency-Key": key} if key else {}
    path = f"/v1/admin/generations/{id_}/rerender"
    return await world.operations.post(path, headers=ADMIN | keyed, json={"reason": reason})


async def succeed(world: World, key: dict[str, str], id_: UUID) -> None:
    await world.neighbours.say(success(id_))
    await wait_until_status(world, key, id_, "succeeded")


def returns(world: World) -> list[ReturnCredit]:
    return [e.message for e in world.neighbours.heard if isinstance(e.message, ReturnCredit)]


async def details(world: World, id_: object) -> dict[str, Any]:
    return dict((await world.operations.get(f"/v1/admin/generations/{id_}", headers=ADMIN)).json())


async def test_the_new_one_is_what_was_asked_for_and_its_charge_is_given_back_once(world: World) -> None:
    _, key = await world.store()
    first = await create(world, key, IMAGE | {"metadata": {"order": "SO-1"}, "seed": 7})
    await succeed(world, key, first)

    made = await rerender(world, first)
    new = UUID(made.json()["id"])
    await succeed(world, key, new)
    for _ in range(3):
        await world.container.rerenderer.settle()

    async def is_returned() -> bool:
        return len(returns(world)) == 1

    await world.until(is_returned)
    assert made.status_code == 201 and made.json()["rerender_of"] == str(first)
    asked = {m.generation_id: m for e in world.neighbours.heard if isinstance(m := e.message, GenerationRequested)}
    assert (asked[new].spec, asked[new].work, asked[new].owner) == (
        asked[first].spec,
        asked[first].work,
        asked[first].owner,
    )
    assert (returns(world)[0].generation_id, returns(world)[0].reason) == (new, "it has three arms")
    (link,) = (await details(world, first))["rerenders"]
    assert (link["generation_id"], link["original_id"], link["state"]) == (str(new), str(first), "returned")
    assert (await details(world, new))["rerenders"] == [link]
    acts = (await world.operations.get("/v1/admin/acts", headers=ADMIN, params={"target": str(first)})).json()["data"]
    assert [(act["act"], act["details"]["reason"]) for act in acts] == [("generation.rerender", "it has three arms")]


async def test_a_return_that_was_lost_with_the_broker_is_ordered_again_until_it_is_posted(world: World) -> None:
    _, key = await world.store()
    first = await create(world, key)
    await succeed(world, key, first)
    new = UUID((await rerender(world, first)).json()["id"])
    await succeed(world, key, new)
    await world.container.rerenderer.settle()

    async def is_ordered() -> bool:
        return len(returns(world)) == 1

    await world.until(is_ordered)
    [lost] = returns(world)
    await world.pool.execute("UPDATE rerenders SET created_at = now() - interval '1 hour'")
    for returned in (0, 1):
        world.neighbours.heard.clear()
        world.neighbours.records[f"holds/{new}"] = {"captured": 1, "returned": returned}
        await world.container.rerenderer.repeat_returns()
        if not returned:
            await world.until(is_ordered)
            assert [each.correction_id for each in returns(world)] == [lost.correction_id]

    assert await world.pool.fetchval("SELECT credits_returned FROM generations WHERE id = $1", new) == 1


async def test_a_rerender_that_its_owner_deletes_at_once_is_given_back_too(world: World) -> None:
    _, key = await world.store()
    first = await create(world, key)
    await succeed(world, key, first)
    new = UUID((await rerender(world, first)).json()["id"])
    await succeed(world, key, new)
    await world.pool.execute("UPDATE rerenders SET state = 'open'")

    deleted = await world.client.delete(f"/v1/generations/{new}", headers=key)

    assert deleted.status_code == 204
    assert await world.pool.fetchval("SELECT state FROM rerenders WHERE generation_id = $1", new) == "returned"


async def test_the_same_key_makes_one_of_it_and_another_key_another(world: World) -> None:
    _, key = await world.store()
    first = await create(world, key)
    await fail(world, key, first)

    answers = [await rerender(world, first, "ticket-17") for _ in range(2)]
    other = await rerender(world, first, "ticket-18")

    assert [answer.json()["id"] for answer in answers] == [answers[0].json()["id"]] * 2
    assert other.json()["id"] != answers[0].json()["id"]
    assert await world.pool.fetchval("SELECT count(*) FROM generations") == 3


async def test_an_order_that_is_repeated_after_its_key_is_forgotten_is_answered_with_the_first(world: World) -> None:
    _, key = await world.store()
    first = await create(world, key)
    await succeed(world, key, first)
    made = await rerender(world, first, "ticket-20")
    await world.pool.execute("DELETE FROM idempotency")

    again = await rerender(world, first, "ticket-20")

    assert (again.status_code, again.json()) == (201, made.json())
    assert await world.pool.fetchval("SELECT count(*) FROM generations") == 2


async def test_one_that_fails_again_or_never_began_gives_nothing_back(world: World) -> None:
    _, key = await world.store()
    first = await create(world, key)
    await fail(world, key, first)
    again = UUID((await rerender(world, first)).json()["id"])
    await fail(world, key, again)
    world.neighbours.answer = decline
    declined = await rerender(world, first)
    await world.pool.execute("UPDATE rerenders SET created_at = now() - interval '2 hours'")

    await world.container.rerenderer.settle()

    assert declined.status_code == 402 and declined.json()["code"] == "insufficient_credits"
    assert {row["state"] for row in await world.pool.fetch("SELECT state FROM rerenders")} == {"uncharged"}
    assert returns(world) == []


async def test_an_order_that_is_repeated_long_after_an_outage_is_given_back(world: World) -> None:
    _, key = await world.store()
    first = await create(world, key)
    await succeed(world, key, first)
    world.to_broker.cut()

    async def is_apart() -> bool:
        return not world.container.bus.is_connected

    await world.until(is_apart)
    refused = await rerender(world, first, "ticket-19")
    await world.mend()
    await world.pool.execute("UPDATE rerenders SET created_at = now() - interval '2 hours'")
    await world.container.rerenderer.settle()

    made = await rerender(world, first, "ticket-19")
    await succeed(world, key, UUID(made.json()["id"]))
    await world.container.rerenderer.settle()

    async def is_returned() -> bool:
        return len(returns(world)) == 1

    await world.until(is_returned)
    assert (refused.status_code, made.status_code) == (503, 201)


async def test_what_has_not_ended_or_is_not_on_record_is_not_made_again(world: World) -> None:
    _, key = await world.store()
    running, gone = await create(world, key), await create(world, key)
    await fail(world, key, gone)
    world.neighbours.heard.clear()

    assert (await rerender(world, running)).status_code == 409
    refused = await rerender(world, gone)
    assert refused.status_code == 409 and "not on record" in refused.json()["detail"]
    assert (await rerender(world, UUID(int=7))).status_code == 404
    assert (await rerender(world, gone, reason="")).status_code == 400
    assert await world.pool.fetchval("SELECT count(*) FROM rerenders") == 0
