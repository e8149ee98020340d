"""The session's promises on real Postgres: tombstones, clocks that survive, and the story it keeps."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from atelier_contracts import (
    Artefact,
    CancelRequested,
    CreditCaptured,
    CreditRefunded,
    GenerationDeleted,
    InputRef,
    Owner,
    RenderSpec,
    RenderStarted,
    Work,
)
from atelier_messaging import Poison, UnitOfWork, is_outage
from atelier_messaging.database import Connection
from atelier_session import store
from atelier_session.handlers import Handlers
from atelier_session.internal_api import internal_router
from atelier_session.settings import Settings

from .messages import OWNER, build_completion, build_deduction, build_request
from .steps import handle, state, withdraw

pytestmark = pytest.mark.stack


@pytest.fixture
def handlers() -> Handlers:
    """With clocks that fire at once."""
    settings: Any = Settings.model_construct(session_stop_grace_s=0.0, session_resend_s=0.0)
    return Handlers(settings)


async def test_a_store_and_a_shopper_have_tables_of_their_own(unit: UnitOfWork, handlers: Handlers) -> None:
    theirs, ours = uuid4(), uuid4()
    shopper = build_request(ours).model_copy(update={"channel": "b2c", "owner": Owner(kind="user", id=uuid4())})

    await handle(unit, handlers, [build_request(theirs), shopper])

    for table, present, absent in (("store_generation_sessions", theirs, ours), ("generation_sessions", ours, theirs)):
        found = await unit.pool.fetch(f"SELECT generation_id FROM {table}")
        assert present in {row["generation_id"] for row in found}
        assert absent not in {row["generation_id"] for row in found}


async def test_a_withdrawn_request_that_comes_late_starts_nothing(unit: UnitOfWork, handlers: Handlers) -> None:
    generation = uuid4()

    assert await withdraw(unit, generation) == "withdrawn"
    sent = await handle(unit, handlers, [build_request(generation)])

    assert sent == ["session.generation_rejected.v1"]
    assert await state(unit, generation) is None


async def test_a_request_that_came_first_cannot_be_withdrawn(unit: UnitOfWork, handlers: Handlers) -> None:
    generation = uuid4()
    await handle(unit, handlers, [build_request(generation)])

    assert await withdraw(unit, generation) == "reserving"


async def test_request_and_withdrawal_racing_have_exactly_one_winner(unit: UnitOfWork, handlers: Handlers) -> None:
    generations = [uuid4() for _ in range(30)]

    answers = await asyncio.gather(
        *(withdraw(unit, generation) for generation in generations),
        *(handle(unit, handlers, [build_request(generation)]) for generation in generations),
    )

    for generation, verdict, sent in zip(generations, answers[:30], answers[30:], strict=True):
        assert (verdict == "withdrawn") == (sent == ["session.generation_rejected.v1"])
        assert (await state(unit, generation) is None) == (verdict == "withdrawn")


async def test_of_a_deleted_generation_only_what_the_price_needs_is_kept(unit: UnitOfWork, handlers: Handlers) -> None:
    generation, canary = uuid4(), "canary-4711"
    work = Work(kind="image", quality="hd", size="1024x1024", n=2)
    picture = InputRef(role="image", url=f"https://cdn.shop-pictures.net/{canary}.png?signature={canary}")
    spec = RenderSpec(kind="image", prompt=canary, inputs=(picture,))
    made = Artefact(key=f"stores/{canary}", content_type="image/png", size=1, sha256="ab" * 32, tags=(canary,))
    request = build_request(generation).model_copy(update={"spec": spec, "work": work})
    done = build_completion(generation).model_copy(update={"outputs": (made,)})
    paid = CreditCaptured(generation_id=generation, owner=OWNER, captured=1, refunded=0, price_book="v1")
    await handle(unit, handlers, [request, build_deduction(generation), done, paid])

    sent = await handle(unit, handlers, [GenerationDeleted(generation_id=generation)])

    row = await unit.pool.fetchrow("SELECT * FROM sagas WHERE generation_id = $1", generation)
    assert row is not None and canary not in repr(dict(row))
    assert (sent, row["state"], row["request"]["work"]) == (
        [],
        "succeeded",
        work.model_dump(mode="json", exclude_defaults=True),
    )
    async with unit.once() as again:
        [known] = (await store.lock_sagas(again.connection, [generation]))[1].values()
    assert known.generation.request.work == work


async def test_a_generation_at_work_is_not_forgotten(unit: UnitOfWork, handlers: Handlers) -> None:
    generation = uuid4()
    request = build_request(generation).model_copy(update={"spec": RenderSpec(kind="try_on", prompt="in the rain")})
    await handle(unit, handlers, [request, build_deduction(generation), GenerationDeleted(generation_id=generation)])

    async with unit.once() as tx:
        [known] = (await store.lock_sagas(tx.connection, [generation]))[1].values()

    assert known.generation.request.spec.prompt == "in the rain"


async def test_a_cancel_that_overtakes_its_request_withdraws_it(unit: UnitOfWork, handlers: Handlers) -> None:
    generation = uuid4()

    told = await handle(unit, handlers, [CancelRequested(generation_id=generation)])
    late = await handle(unit, handlers, [build_request(generation)])

    assert told == ["session.generation_cancelled.v1"]
    assert late == ["session.generation_rejected.v1"]
    assert await state(unit, generation) is None


async def test_a_cancel_that_overtakes_its_request_within_a_batch_ends_it(unit: UnitOfWork, handlers: Handlers) -> None:
    generation = uuid4()

    sent = await handle(unit, handlers, [CancelRequested(generation_id=generation), build_request(generation)])

    assert sent == ["billing.reserve_credit.v1", "billing.refund_credit.v1"]
    assert await state(unit, generation) == "refunding"


async def test_a_cancel_whose_request_another_process_admits_meanwhile_stops_that(
    unit: UnitOfWork, handlers: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    generation, withdrawn = uuid4(), store.withdraw

    async def after_its_request(connection: Connection, id_: UUID) -> str:
        await handle(unit, handlers, [build_request(id_)])
        return await withdrawn(connection, id_)

    with monkeypatch.context() as patch:
        patch.setattr(store, "withdraw", after_its_request)
        with pytest.raises(ConnectionAbortedError) as aborted:
            await handle(unit, handlers, [CancelRequested(generation_id=generation)])
    sent = await handle(unit, handlers, [CancelRequested(generation_id=generation)])

    assert is_outage(aborted.value)
    assert sent == ["billing.refund_credit.v1"]
    assert await state(unit, generation) == "refunding"


async def test_a_deadline_fires_from_the_database_and_ends_in_a_refund(unit: UnitOfWork, handlers: Handlers) -> None:
    generation = uuid4()
    await handle(unit, handlers, [build_request(generation, deadline_s=1), build_deduction(generation)])
    await unit.pool.execute(
        "UPDATE sagas SET timer_at = now(), look_at = now(), deadline_at = now() WHERE generation_id = $1", generation
    )

    await handlers.fire_timers(unit)
    assert await state(unit, generation) == "stopping"
    await handlers.fire_timers(unit)

    assert await state(unit, generation) == "refunding"


async def test_billing_that_does_not_answer_is_asked_again(unit: UnitOfWork, handlers: Handlers) -> None:
    generation = uuid4()
    await handle(unit, handlers, [build_request(generation), build_deduction(generation), build_completion(generation)])
    await unit.pool.execute("DELETE FROM outbox")

    await handlers.fire_timers(unit)

    names = [
        row["name"] for row in await unit.pool.fetch("SELECT name FROM outbox WHERE body LIKE $1", f"%{generation}%")
    ]
    assert names == ["billing.capture_credit.v1"]


async def test_a_render_that_comes_after_its_refund_is_told_to_throw_away_what_it_made(
    unit: UnitOfWork, handlers: Handlers
) -> None:
    generation = uuid4()
    await handle(unit, handlers, [build_request(generation), CancelRequested(generation_id=generation)])

    sent = await handle(unit, handlers, [build_completion(generation)])

    assert sent == ["render.discard_render.v1"]
    assert await state(unit, generation) == "refunding"
    logged = await unit.pool.fetchval(
        "SELECT sent FROM saga_log WHERE generation_id = $1 AND outcome = 'lost_race'", generation
    )
    assert logged == sent


async def test_the_story_tells_every_step_and_every_lost_race(unit: UnitOfWork, handlers: Handlers) -> None:
    generation = uuid4()
    captured = CreditCaptured(generation_id=generation, captured=1, refunded=0)
    deduction, completion = build_deduction(generation), build_completion(generation)
    await handle(unit, handlers, [build_request(generation), deduction, completion, captured])
    await handle(unit, handlers, [CancelRequested(generation_id=generation)])

    rows = await unit.pool.fetch(
        "SELECT outcome, state_to FROM saga_log WHERE generation_id = $1 ORDER BY id", generation
    )
    assert [(row["outcome"], row["state_to"]) for row in rows] == [
        ("transition", "reserving"),
        ("transition", "queued"),
        ("transition", "capturing"),
        ("transition", "succeeded"),
        ("lost_race", "succeeded"),
    ]


async def test_what_comes_of_work_whose_saga_was_lost_is_thrown_away_and_charged_to_nobody(
    unit: UnitOfWork, handlers: Handlers
) -> None:
    generation = uuid4()
    assert await withdraw(unit, generation) == "withdrawn"
    refunded = CreditRefunded(generation_id=generation, refunded=1)

    started = RenderStarted(generation_id=generation, attempt=1)
    sent = await handle(unit, handlers, [started, build_completion(generation)])

    assert sent == ["render.discard_render.v1"]
    assert await handle(unit, handlers, [refunded]) == []


async def test_a_withdrawal_with_a_refund_stops_the_render_and_gives_the_hold_back(unit: UnitOfWork) -> None:
    app = FastAPI()
    silent: Any = None
    app.include_router(internal_router(unit, SecretStr("token"), silent))
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://session", headers={"Authorization": "Bearer token"}
    )
    generation = uuid4()

    answers = [
        (await client.post(f"/internal/generations/{generation}/withdraw{query}")).json()["state"]
        for query in ("?refund=true", "")
    ]

    sent = "SELECT name FROM outbox WHERE body::jsonb ->> 'generation_id' = $1 ORDER BY name"
    names = [row["name"] for row in await unit.pool.fetch(sent, str(generation))]
    assert answers == ["withdrawn", "withdrawn"]
    assert names == ["billing.refund_credit.v1", "render.cancel_render.v1"]


async def test_a_timer_that_was_moved_later_does_not_fire_at_its_first_time(unit: UnitOfWork) -> None:
    settings: Any = Settings.model_construct(session_stop_grace_s=30.0, session_resend_s=30.0)
    patient, generation = Handlers(settings), uuid4()
    await handle(unit, patient, [build_request(generation)])
    first = await unit.pool.fetchval("SELECT look_at FROM sagas WHERE generation_id = $1", generation)
    await handle(unit, patient, [build_deduction(generation)])
    times = "SELECT look_at, timer_at FROM sagas WHERE generation_id = $1"
    moved = await unit.pool.fetchrow(times, generation)
    assert moved is not None and moved["look_at"] == first < moved["timer_at"]
    await unit.pool.execute("DELETE FROM outbox")

    await unit.pool.execute("UPDATE sagas SET look_at = now() WHERE generation_id = $1", generation)
    await patient.fire_timers(unit)

    seen = await unit.pool.fetchrow(times, generation)
    assert seen is not None and seen["look_at"] == seen["timer_at"] == moved["timer_at"]
    sent = "SELECT count(*) FROM outbox WHERE body LIKE $1"
    assert await unit.pool.fetchval(sent, f"%{generation}%") == 0


async def test_a_message_about_no_generation_is_poison(unit: UnitOfWork, handlers: Handlers) -> None:
    with pytest.raises(Poison, match="no generation"):
        await handle(unit, handlers, [build_deduction(uuid4())])
