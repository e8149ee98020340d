"""Admission on real servers: what a 201, a 402 and a 503 stand for, whatever breaks on the way."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from atelier_contracts import GenerationQueued, GenerationRejected, GenerationRequested, Message
from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.idempotency.keys import REBUILD_AFTER

from ..support.neighbours import decline, ignore
from ..support.unreachable import session_unreachable
from ..support.world import World

pytestmark = pytest.mark.stack
NOTHING = {"generations": 0, "idempotency": 0, "outbox": 0}


def id_of(created: httpx.Response) -> UUID:
    return UUID(created.json()["data"]["session_id"])


async def test_an_admitted_request_is_201_and_its_message_says_who_pays(world: World) -> None:
    store, headers = await world.store()

    created = await world.create(headers, prompt="at dusk")

    assert created.status_code == 201
    request = world.neighbours.heard[0].message
    assert isinstance(request, GenerationRequested)
    assert (request.channel, request.owner.kind, request.owner.id) == ("b2b", "store", store)
    assert [given.role for given in request.spec.inputs] == ["person", "garment"]
    assert (request.generation_id, request.spec.prompt) == (id_of(created), "at dusk")


async def test_a_declined_request_is_402_and_nothing_of_it_stays(world: World) -> None:
    _, headers = await world.store()
    world.neighbours.answer = decline

    refused = await world.create(headers)

    assert refused.status_code == 402
    assert refused.json()["error"]["details"] == {"required": 1, "available": 0}
    assert (await world.rows())["generations"] == 0


async def test_a_declined_request_leaves_nothing_though_the_database_went_away_as_it_was_declined(world: World) -> None:
    _, headers = await world.store()

    def decline_as_the_database_goes(request: GenerationRequested) -> Message:
        world.to_database.cut()
        asyncio.get_running_loop().call_later(0.5, world.to_database.mend)
        return decline(request)

    world.neighbours.answer = decline_as_the_database_goes

    refused, repeated = await world.create(headers, "one-key"), await world.create(headers, "one-key")

    assert (refused.status_code, repeated.status_code) == (402, 402)
    assert repeated.headers["Idempotency-Replayed"] == "true"
    assert (await world.rows())["generations"] == 0


async def test_with_the_broker_gone_it_is_503_at_once_and_nothing_is_written(world: World) -> None:
    _, headers = await world.store()
    world.to_broker.cut()
    await world.until(lambda: _broker_is_gone(world))

    refused = await world.create(headers, "a-key")

    assert refused.status_code == 503
    assert await world.rows() == NOTHING


@pytest.mark.usefixtures("short_waits")
async def test_with_the_broker_frozen_it_is_503_once_the_session_has_withdrawn_it(world: World) -> None:
    _, headers = await world.store()
    world.to_broker.freeze()

    refused = await world.create(headers, "a-key")
    rows = await world.rows()
    world.to_broker.thaw()
    await world.until(lambda: _has_received(world, 1))
    again = await world.create(headers, "a-key")

    assert (refused.status_code, rows) == (503, NOTHING)
    assert again.status_code == 201
    assert world.neighbours.started == [id_of(again)]


@pytest.mark.usefixtures("short_waits")
async def test_with_broker_and_session_out_of_reach_it_is_201_and_delivered_later(world: World) -> None:
    _, headers = await world.store()
    world.to_broker.freeze()

    with session_unreachable(world):
        created = await world.create(headers)
    world.to_broker.cut()
    world.to_broker.thaw()
    world.to_broker.mend()

    async def is_published() -> bool:
        return id_of(created) in world.neighbours.started and (await world.rows())["outbox"] == 0

    assert created.status_code == 201
    await world.until(is_published)


@pytest.mark.usefixtures("short_waits")
async def test_a_saga_that_is_slow_to_answer_but_has_begun_is_a_201(world: World) -> None:
    _, headers = await world.store()
    world.neighbours.answer, world.neighbours.verdict = ignore, "reserving"

    assert (await world.create(headers)).status_code == 201


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize(
    ("reason", "status", "code"),
    [
        ("insufficient_credits", 402, "INSUFFICIENT_CREDITS"),
        ("unpriced", 422, "UNPRICED"),
        ("withdrawn", 503, "UNAVAILABLE"),
        (None, 503, "UNAVAILABLE"),
    ],
)
async def test_a_refusal_that_was_lost_is_answered_with_the_sagas_reason(
    world: World, reason: Any, status: int, code: str
) -> None:
    _, headers = await world.store()

    def reject_unheard(request: GenerationRequested) -> None:
        id_ = request.generation_id
        rejection = GenerationRejected(generation_id=id_, reason=reason, required=1, available=0) if reason else None
        world.neighbours.standing[id_] = [rejection] if rejection else []

    world.neighbours.answer, world.neighbours.verdict = reject_unheard, "rejected"

    refused = await world.create(headers)

    assert (refused.status_code, refused.json()["error"]["code"].upper()) == (status, code)
    assert (await world.rows())["generations"] == 0


async def test_a_commit_whose_acknowledgement_is_lost_is_one_generation_and_a_201(world: World) -> None:
    _, headers = await world.store()
    await world.create(headers)
    lost_before = world.to_database.lost_commits
    world.to_database.lose_the_commit_after(b"lose my commit")

    created = await world.create(headers, "a-key", prompt="lose my commit")

    assert world.to_database.lost_commits == lost_before + 1
    assert created.status_code == 201
    assert world.neighbours.started.count(id_of(created)) == 1
    assert await world.pool.fetchval("SELECT count(*) FROM generations WHERE request->>'prompt' IS NOT NULL") == 1


async def test_requests_that_share_a_commit_keep_their_own_traces(world: World) -> None:
    _, headers = await world.store()
    traces = [f"{index + 1:032x}" for index in range(30)]

    created = await asyncio.gather(
        *(world.create({**headers, "traceparent": f"00-{trace}-00000000000000aa-01"}) for trace in traces)
    )

    carried = {envelope.message.subject: envelope.traceparent or "" for envelope in world.neighbours.heard}
    assert [carried[id_of(reply)].split("-")[1] for reply in created] == traces


async def test_a_hundred_equal_requests_at_once_are_one_generation(world: World) -> None:
    _, headers = await world.store()

    replies = await asyncio.gather(*(world.create(headers, "one-key") for _ in range(100)))

    assert {reply.status_code for reply in replies} <= {201, 409}
    assert len({reply.content for reply in replies if reply.status_code == 201}) == 1
    assert len(world.neighbours.started) == 1


@pytest.mark.parametrize("answer", [None, pytest.param(decline, id="declined")])
async def test_the_second_request_with_a_key_is_answered_like_the_first(world: World, answer: object) -> None:
    _, headers = await world.store()
    if answer:
        world.neighbours.answer = decline

    first, second = await world.create(headers, "one-key"), await world.create(headers, "one-key")

    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert ("Idempotency-Replayed" in first.headers, second.headers["Idempotency-Replayed"]) == (False, "true")
    assert len(world.neighbours.heard) == 1


async def test_another_body_with_the_key_is_422_and_another_tenants_key_is_its_own(world: World) -> None:
    _, headers = await world.store()
    _, others = await world.store()
    await world.create(headers, "one-key")

    assert (await world.create(headers, "one-key", prompt="another")).status_code == 422
    assert (await world.create(others, "one-key", prompt="another")).status_code == 201


async def test_a_refusal_before_admission_does_not_use_the_key_up(world: World) -> None:
    _, headers = await world.store()

    refused = await world.create(headers, "one-key", image_urls=[])

    assert refused.status_code == 400
    assert (await world.create(headers, "one-key")).status_code == 201


@pytest.mark.parametrize(("answer", "status"), [(None, 201), pytest.param(decline, 402, id="declined-402")])
async def test_an_answer_that_died_with_its_process_is_rebuilt(world: World, answer: object, status: int) -> None:
    _, headers = await world.store()
    first = await world.create(headers, "one-key")
    await world.until_all_are("queued")
    await _forget_the_reply(world)
    if answer:
        await _project_as_declined(world, id_of(first))

    second = await world.create(headers, "one-key")

    assert (second.status_code, second.headers["Idempotency-Replayed"]) == (status, "true")
    assert status != 201 or second.content == first.content
    assert len(world.neighbours.started) == 1
    assert (await world.rows())["generations"] == (1 if status == 201 else 0)


async def test_what_was_withdrawn_and_not_cleared_away_is_no_answer_to_its_key(world: World) -> None:
    _, headers = await world.store()
    first = await world.create(headers, "one-key")
    await _forget_the_reply(world)
    await _project_as_declined(world, id_of(first), "withdrawn")

    cleared, again = await world.create(headers, "one-key"), await world.create(headers, "one-key")

    assert (cleared.status_code, again.status_code) == (409, 201)
    assert id_of(again) != id_of(first)
    assert (await world.rows())["generations"] == 1


async def test_a_reply_nobody_waits_for_any_more_does_no_harm(world: World) -> None:
    _, headers = await world.store()
    created = await world.create(headers)
    request = world.neighbours.heard[0].message
    assert isinstance(request, GenerationRequested)

    await world.neighbours.say(GenerationQueued(generation_id=id_of(created), credits=1), (request.reply_to or "",))

    assert (await world.create(headers)).status_code == 201


async def _has_received(world: World, messages: int) -> bool:
    return len(world.neighbours.heard) == messages


async def _broker_is_gone(world: World) -> bool:
    return bool((await world.client.get("/health/ready")).json()["parts"]["broker"] != "ok")


async def _forget_the_reply(world: World) -> None:
    age = REBUILD_AFTER + timedelta(seconds=1)
    await world.pool.execute(
        "UPDATE idempotency SET reply_status = NULL, reply_body = NULL, claimed_at = now() - $1::interval", age
    )


async def _project_as_declined(world: World, generation: UUID, code: str = "insufficient_credits") -> None:
    """As the row stands where the saga declined and the process died before it could remove it."""
    error = {"code": code, "required": 1, "available": 0}
    await world.pool.execute(
        "UPDATE generations SET state = 'rejected', rank = 9, error = $2 WHERE id = $1", generation, error
    )


async def test_a_key_is_kept_for_a_day(world: World) -> None:
    """Settled question 6: 24 hours, a tenant and route."""
    _, store = await world.store()
    first = await world.create(store, key="yesterdays")
    await world.create(store, key="todays")
    older = "UPDATE idempotency SET claimed_at = now() - make_interval(hours => 24, mins => 1) WHERE key = 'yesterdays'"
    await world.pool.execute(older)

    await idempotency_store.prune(world.pool)

    assert await world.pool.fetchval("SELECT array_agg(key) FROM idempotency") == ["todays"]
    assert (await world.create(store, key="yesterdays")).json() != first.json()


async def test_internal_ids_are_ordered_by_time(world: World) -> None:
    """Settled question 16: UUIDv7."""
    store_id, store = await world.store()
    user_id, _ = await world.user()
    session = (await world.create(store)).json()["data"]["session_id"]

    assert {UUID(str(id_)).version for id_ in (store_id, user_id, session)} == {7}
