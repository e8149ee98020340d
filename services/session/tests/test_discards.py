"""Outputs that are to go: render is queried until it has none of them, and what did not reach it is sent again."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import AnyHttpUrl, SecretStr

from atelier_contracts import CancelRequested, DiscardRender, RenderCompleted, RenderFailed
from atelier_messaging import UnitOfWork
from atelier_session.discards import DiscardCheck
from atelier_session.handlers import Handlers
from atelier_session.handovers import Deliveries
from atelier_session.render_outputs import KeptOutputs, RenderOutputs
from atelier_session.settings import Settings

from .messages import build_completion, build_deduction, build_request
from .saga_cases import FETCHED, PICTURES
from .steps import handle

pytestmark = pytest.mark.stack
DISCARD, CANCEL = "render.discard_render.v1", "render.cancel_render.v1"
KEYS = frozenset(output.key for output in PICTURES)
RESEND_S = 10.0


class Render:
    """What render keeps, as it would answer; nothing while it is silent."""

    def __init__(self) -> None:
        self.kept: dict[UUID, KeptOutputs] = {}
        self.is_silent = False
        self.queries: list[UUID] = []

    async def find(self, ids: Sequence[UUID]) -> dict[UUID, KeptOutputs] | None:
        self.queries += ids
        return None if self.is_silent else {id_: self.kept[id_] for id_ in ids if id_ in self.kept}


class Gateway:
    """Closes every handover; one of two outputs was delivered."""

    async def close_all(self, ids: Sequence[UUID]) -> dict[UUID, Deliveries]:
        return dict.fromkeys(ids, FETCHED[1:2])


@pytest.fixture
def render() -> Render:
    return Render()


@pytest.fixture
def check(unit: UnitOfWork, render: Render) -> DiscardCheck:
    outputs: Any = render
    return DiscardCheck(unit, outputs, after_s=RESEND_S)


@pytest.fixture
async def handlers(unit: UnitOfWork) -> Handlers:
    """On an installation in which nothing is to be discarded."""
    await unit.pool.execute("DELETE FROM open_discards")
    settings: Any = Settings.model_construct(session_stop_grace_s=10.0, session_resend_s=RESEND_S)
    gateway: Any = Gateway()
    return Handlers(settings, handovers=gateway)


async def look(unit: UnitOfWork, check: DiscardCheck, *, in_s: float = 3_600.0) -> list[str]:
    """Looks again so much later; what was sent."""
    await unit.pool.execute("DELETE FROM outbox")
    later = "UPDATE open_discards SET checked_at = checked_at - make_interval(secs => $1)"
    await unit.pool.execute(later, in_s)
    await check.check()
    return [row["name"] for row in await unit.pool.fetch("SELECT name FROM outbox ORDER BY id")]


async def count_open(unit: UnitOfWork) -> int:
    return int(await unit.pool.fetchval("SELECT count(*) FROM open_discards"))


async def fire(unit: UnitOfWork, handlers: Handlers, id_: UUID) -> None:
    await unit.pool.execute("UPDATE sagas SET timer_at = now(), look_at = now() WHERE generation_id = $1", id_)
    await handlers.fire_timers(unit)


async def deliver_in_part(unit: UnitOfWork, handlers: Handlers) -> UUID:
    """A generation of two outputs of which one was taken when its window ended."""
    id_ = uuid4()
    request = build_request(id_).model_copy(update={"delivery_window_s": 600})
    made = RenderCompleted(generation_id=id_, outputs=PICTURES, delivered=2, requested=2, provider="local")
    await handle(unit, handlers, [request, build_deduction(id_)])
    await handle(unit, handlers, [made])
    await fire(unit, handlers, id_)
    return id_


async def test_a_discard_that_was_lost_is_sent_again_until_render_keeps_nothing_but_what_was_delivered(
    unit: UnitOfWork, handlers: Handlers, check: DiscardCheck, render: Render
) -> None:
    id_ = await deliver_in_part(unit, handlers)
    render.kept[id_] = KeptOutputs(id=id_, state="done", outputs=KEYS)

    lost = [await look(unit, check), await look(unit, check)]
    body = await unit.pool.fetchval("SELECT body FROM outbox")
    render.kept[id_] = KeptOutputs(id=id_, state="done", outputs=frozenset({PICTURES[1].key}))
    done = await look(unit, check)

    assert (lost, done, await count_open(unit)) == ([[DISCARD], [DISCARD]], [], 0)
    assert DiscardRender.model_validate_json(body) == DiscardRender(
        generation_id=id_, cause="undelivered", kept=(PICTURES[1].key,)
    )


async def test_render_is_not_queried_before_it_had_time_and_less_and_less_often(
    unit: UnitOfWork, handlers: Handlers, check: DiscardCheck, render: Render
) -> None:
    id_ = await deliver_in_part(unit, handlers)
    render.kept[id_] = KeptOutputs(id=id_, state="done", outputs=KEYS)

    sent = [await look(unit, check, in_s=wait_s) for wait_s in (0, 10.5, 10.5, 10.5, 21, 20.5)]

    assert [bool(names) for names in sent] == [False, True, False, True, False, True]


async def test_while_render_does_not_answer_nothing_is_sent_and_nothing_forgotten(
    unit: UnitOfWork, handlers: Handlers, check: DiscardCheck, render: Render
) -> None:
    id_ = await deliver_in_part(unit, handlers)
    render.is_silent = True

    assert await look(unit, check) == []
    assert (render.queries, await count_open(unit)) == ([id_], 1)


async def test_a_render_that_was_to_stop_and_never_answered_is_stopped_and_what_it_made_is_discarded(
    unit: UnitOfWork, handlers: Handlers, check: DiscardCheck, render: Render
) -> None:
    id_ = uuid4()
    await handle(unit, handlers, [build_request(id_), build_deduction(id_)])
    await handle(unit, handlers, [CancelRequested(generation_id=id_)])
    await fire(unit, handlers, id_)

    render.kept[id_] = KeptOutputs(id=id_, state="running")
    at_work = await look(unit, check)
    render.kept[id_] = KeptOutputs(id=id_, state="done", outputs=KEYS)
    done = await look(unit, check)
    render.kept[id_] = KeptOutputs(id=id_, state="done")
    gone = await look(unit, check)

    assert (at_work, done, gone, await count_open(unit)) == ([CANCEL], [DISCARD], [], 0)


async def test_a_completion_that_comes_after_the_refund_is_discarded_for_good(
    unit: UnitOfWork, handlers: Handlers, check: DiscardCheck, render: Render
) -> None:
    id_ = uuid4()
    await handle(unit, handlers, [build_request(id_), build_deduction(id_)])
    await handle(unit, handlers, [CancelRequested(generation_id=id_, cause="client_gone")])
    await look(unit, check)
    closed = await count_open(unit)

    await handle(unit, handlers, [build_completion(id_)])
    render.kept[id_] = KeptOutputs(id=id_, state="done", outputs=KEYS)

    assert (closed, await look(unit, check)) == (0, [DISCARD])


async def test_a_render_that_has_answered_leaves_nothing_to_look_for(unit: UnitOfWork, handlers: Handlers) -> None:
    id_ = uuid4()
    await handle(unit, handlers, [build_request(id_), build_deduction(id_)])
    await handle(unit, handlers, [CancelRequested(generation_id=id_)])
    await handle(unit, handlers, [RenderFailed(generation_id=id_, code="cancelled", reason="cancelled")])

    assert await count_open(unit) == 0


async def test_without_an_answer_nothing_is_known_of_what_render_keeps() -> None:
    outputs = RenderOutputs(AnyHttpUrl("http://127.0.0.1:9"), SecretStr("token"))

    assert await outputs.find([uuid4()]) is None
    await outputs.close()
