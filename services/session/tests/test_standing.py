"""Generations without progress: commands are sent again with growing pauses, billing's hold is read, the end is
replayed."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from pydantic import SecretStr

from atelier_contracts import CancelRequested, CreditCaptured, CreditDeclined, CreditRefunded, Message
from atelier_messaging import UnitOfWork
from atelier_session import store
from atelier_session.generation import Generation, State
from atelier_session.handlers import ASK_AFTER_RESENDS, Handlers
from atelier_session.holds import Hold
from atelier_session.internal_api import internal_router
from atelier_session.open_sagas import measure_open, observe_open
from atelier_session.replay import replay_states
from atelier_session.settings import Settings

from .messages import build_completion, build_deduction, build_request
from .steps import handle, state

pytestmark = pytest.mark.stack


class Billing:
    """Billing's holds, as it would answer them."""

    def __init__(self) -> None:
        self.holds: dict[UUID, Hold] = {}
        self.requests: list[UUID] = []

    async def find(self, ids: list[UUID]) -> dict[UUID, Hold]:
        self.requests += ids
        return {id_: self.holds[id_] for id_ in ids if id_ in self.holds}


@pytest.fixture
def billing() -> Billing:
    return Billing()


@pytest.fixture
def handlers(billing: Billing) -> Handlers:
    """With a clock whose backoff can be read."""
    settings: Any = Settings.model_construct(session_stop_grace_s=10.0, session_resend_s=10.0)
    answering: Any = billing
    return Handlers(settings, answering)


async def fire(unit: UnitOfWork, handlers: Handlers, generation: UUID) -> list[str]:
    """Lets the generation's clock run out; answers what was sent."""
    await unit.pool.execute("UPDATE sagas SET timer_at = now(), look_at = now() WHERE generation_id = $1", generation)
    await unit.pool.execute("DELETE FROM outbox")
    await handlers.fire_timers(unit)
    sent = "SELECT name FROM outbox WHERE body::jsonb ->> 'generation_id' = $1 ORDER BY id"
    return [row["name"] for row in await unit.pool.fetch(sent, str(generation))]


async def wait_s(unit: UnitOfWork, generation: UUID) -> int:
    waits = "SELECT extract(epoch FROM timer_at - updated_at)::int FROM sagas WHERE generation_id = $1"
    return int(await unit.pool.fetchval(waits, generation))


async def reach_capturing(unit: UnitOfWork, handlers: Handlers) -> UUID:
    generation = uuid4()
    for message in (build_request(generation), build_deduction(generation), build_completion(generation)):
        await handle(unit, handlers, [message])
    return generation


async def test_a_capture_that_is_not_answered_is_sent_again_less_and_less_often(
    unit: UnitOfWork, handlers: Handlers
) -> None:
    generation = await reach_capturing(unit, handlers)

    waits = [await wait_s(unit, generation)]
    for _ in range(3):
        assert await fire(unit, handlers, generation) == ["billing.capture_credit.v1"]
        waits.append(await wait_s(unit, generation))

    assert waits == [10, 20, 40, 80]


@pytest.mark.parametrize(
    ("said", "lost"),
    [((), "billing.reserve_credit.v1"), ((build_deduction,), "render.request_render.v1")],
    ids=["reserve", "render"],
)
async def test_a_lost_command_is_sent_again_long_before_the_deadline(
    unit: UnitOfWork, handlers: Handlers, said: tuple[Callable[[UUID], Message], ...], lost: str
) -> None:
    generation = uuid4()
    for message in (build_request(generation), *(make(generation) for make in said)):
        await handle(unit, handlers, [message])

    assert await wait_s(unit, generation) == 10
    assert await fire(unit, handlers, generation) == [lost]


@pytest.mark.parametrize(
    ("hold", "sent", "ends"),
    [
        ({"state": "captured", "captured": 1, "refunded": 0}, ["session.generation_succeeded.v1"], "succeeded"),
        ({"state": "refunded", "captured": 0, "refunded": 1}, ["billing.refund_credit.v1"], "refunding"),
        ({}, ["billing.refund_credit.v1"], "refunding"),
        ({"state": "open", "captured": 0, "refunded": 0}, ["billing.capture_credit.v1"], "capturing"),
    ],
    ids=["captured", "refunded", "unknown", "open"],
)
async def test_a_capture_that_stands_still_ends_as_its_hold_did(
    unit: UnitOfWork, handlers: Handlers, billing: Billing, hold: Hold, sent: list[str], ends: str
) -> None:
    generation = await reach_capturing(unit, handlers)
    billing.holds[generation] = hold
    for _ in range(ASK_AFTER_RESENDS):
        await fire(unit, handlers, generation)
    assert generation not in billing.requests

    after = await fire(unit, handlers, generation)

    assert generation in billing.requests
    assert [name for name in after if name != "render.discard_render.v1"] == sent
    assert await state(unit, generation) == ends


@pytest.mark.parametrize(
    ("hold", "sent", "ends"),
    [
        ({"state": "refunded", "captured": 0, "refunded": 1}, ["session.generation_cancelled.v1"], "cancelled"),
        ({"state": "captured", "captured": 1, "refunded": 0}, [], "refunding"),
        ({}, ["billing.refund_credit.v1"], "refunding"),
    ],
    ids=["refunded", "captured", "unknown"],
)
async def test_a_refund_that_stands_still_ends_as_its_hold_did_and_makes_no_dead_letters(
    unit: UnitOfWork, handlers: Handlers, billing: Billing, hold: Hold, sent: list[str], ends: str
) -> None:
    generation = uuid4()
    await handle(unit, handlers, [build_request(generation)])
    await handle(unit, handlers, [CancelRequested(generation_id=generation, cause="client_gone")])
    billing.holds[generation] = hold
    for _ in range(ASK_AFTER_RESENDS):
        await fire(unit, handlers, generation)

    assert await fire(unit, handlers, generation) == sent
    assert await state(unit, generation) == ends


async def test_a_refund_without_an_answer_is_measured_until_it_has_one(
    unit: UnitOfWork, handlers: Handlers, billing: Billing
) -> None:
    generation, before = uuid4(), (await measure_open(unit.pool)).unanswered[State.REFUNDING]
    await handle(unit, handlers, [build_request(generation)])
    await handle(unit, handlers, [CancelRequested(generation_id=generation, cause="client_gone")])
    await fire(unit, handlers, generation)
    once = (await measure_open(unit.pool)).unanswered[State.REFUNDING]
    await fire(unit, handlers, generation)
    twice = (await measure_open(unit.pool)).unanswered[State.REFUNDING]
    await handle(unit, handlers, [CreditRefunded(generation_id=generation, refunded=1)])

    assert (once - before, twice - before) == (0, 1)
    assert (await measure_open(unit.pool)).unanswered[State.REFUNDING] == before


async def test_what_is_measured_of_open_sagas_is_what_the_metrics_show(unit: UnitOfWork, handlers: Handlers) -> None:
    await reach_capturing(unit, handlers)
    found = await measure_open(unit.pool)

    await observe_open(unit.pool)

    for settling, number in found.unanswered.items():
        assert REGISTRY.get_sample_value("atelier_sagas_unanswered", {"state": str(settling)}) == number
    assert (REGISTRY.get_sample_value("atelier_oldest_open_seconds", {"record": "saga"}) or 0) >= found.oldest_s > 0


async def test_a_hold_past_its_deadline_is_measured_and_a_request_without_a_hold_is_not(
    unit: UnitOfWork, handlers: Handlers
) -> None:
    reserving, held = uuid4(), await reach_capturing(unit, handlers)
    await handle(unit, handlers, [build_request(reserving)])
    for generation, interval in ((reserving, "20 days"), (held, "9 days")):
        await unit.pool.execute(
            f"UPDATE sagas SET deadline_at = now() - interval '{interval}' WHERE generation_id = $1", generation
        )

    overdue_s = (await measure_open(unit.pool)).hold_overdue_s
    declined = CreditDeclined(generation_id=reserving, reason="insufficient_credits", required=1, available=0)
    await handle(unit, handlers, [CreditCaptured(generation_id=held, captured=1, refunded=0), declined])

    assert 9 * 86_400 <= overdue_s < 10 * 86_400
    assert (await measure_open(unit.pool)).hold_overdue_s < 9 * 86_400


async def test_where_a_generation_stands_is_told_as_the_events_that_were_lost(
    unit: UnitOfWork, handlers: Handlers, billing: Billing
) -> None:
    succeeded, rejected, waiting = await reach_capturing(unit, handlers), uuid4(), uuid4()
    await handle(unit, handlers, [CreditCaptured(generation_id=succeeded, captured=1, refunded=0)])
    await handle(unit, handlers, [build_request(rejected), build_request(waiting)])
    declined = CreditDeclined(generation_id=rejected, reason="insufficient_credits", required=1, available=0)
    await handle(unit, handlers, [declined, build_deduction(waiting)])

    answers = await replay(unit, billing, [succeeded, rejected, waiting, uuid4()])

    assert answers == {
        succeeded: ("succeeded", ["session.generation_succeeded.v1"]),
        rejected: ("rejected", ["session.generation_rejected.v1"]),
        waiting: ("queued", ["session.generation_queued.v1"]),
    }


async def test_an_end_from_before_billings_word_was_kept_takes_it_from_the_hold(
    unit: UnitOfWork, handlers: Handlers, billing: Billing
) -> None:
    generation = await reach_capturing(unit, handlers)
    await handle(unit, handlers, [CreditCaptured(generation_id=generation, captured=1, refunded=0)])
    await unit.pool.execute("UPDATE sagas SET settlement = NULL WHERE generation_id = $1", generation)

    before = await replay(unit, billing, [generation])
    billing.holds[generation] = {"state": "captured", "captured": 1, "refunded": 0}
    after = await replay(unit, billing, [generation])

    assert before == {generation: ("succeeded", [])}
    assert after == {generation: ("succeeded", ["session.generation_succeeded.v1"])}


async def replay(unit: UnitOfWork, billing: Billing, ids: list[UUID]) -> dict[UUID, tuple[str, list[str]]]:
    answering: Any = billing
    known: list[Generation] = await store.find(unit.pool, ids)
    answers = await replay_states(known, answering)
    return {row["id"]: (row["state"], [event["name"] for event in row["events"]]) for row in answers}


async def test_open_sagas_are_counted_by_state_with_those_that_had_to_ask_again(
    unit: UnitOfWork, handlers: Handlers
) -> None:
    app = FastAPI()
    unasked: Any = None
    await unit.pool.execute("DELETE FROM sagas WHERE look_at IS NOT NULL")  # what the tests above left open
    app.include_router(internal_router(unit, SecretStr("a token"), unasked))
    before = await _count_capturing(app)
    waiting, repeated = await reach_capturing(unit, handlers), await reach_capturing(unit, handlers)
    await fire(unit, handlers, repeated)

    counted = await _count_capturing(app)

    assert (counted["number"] - before["number"], counted["resent"] - before["resent"]) == (2, 1)
    assert counted["oldest"] == before.get("oldest", str(waiting))


async def _count_capturing(app: FastAPI) -> dict[str, Any]:
    """What is said of the sagas that wait for a capture; other tests may have left some."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://session") as http:
        answer = await http.get("/internal/sagas/open", headers={"Authorization": "Bearer a token"})
    states: list[dict[str, Any]] = answer.json()["states"]
    return next((each for each in states if each["state"] == "capturing"), {"number": 0, "resent": 0})
