"""Delivery windows on real Postgres: they end when the gateway has said what it delivered, and not before."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest

from atelier_contracts import GenerationRequested, OutputDelivery, OutputsDelivered, RenderCompleted
from atelier_messaging import UnitOfWork
from atelier_session import store
from atelier_session.handlers import Handlers
from atelier_session.handovers import Deliveries
from atelier_session.replay import replay_states
from atelier_session.settings import Settings

from .messages import build_deduction, build_request
from .saga_cases import FETCHED, PICTURES
from .steps import handle, state

pytestmark = pytest.mark.stack


class Gateway:
    """Closes handovers as the gateway does; silent where it has nothing to say."""

    def __init__(self) -> None:
        self.delivered: Deliveries | None = None
        self.closed: list[UUID] = []

    async def close_all(self, ids: Sequence[UUID]) -> dict[UUID, Deliveries]:
        self.closed += ids
        return {} if self.delivered is None else dict.fromkeys(ids, self.delivered)


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def handlers(gateway: Gateway) -> Handlers:
    """With clocks that fire at once."""
    settings: Any = Settings.model_construct(session_stop_grace_s=0.0, session_resend_s=0.0)
    handovers: Any = gateway
    return Handlers(settings, handovers=handovers)


async def make_ready(unit: UnitOfWork, handlers: Handlers) -> UUID:
    """A generation of two outputs that waits to be delivered; its window is over at once."""
    id_ = uuid4()
    request: GenerationRequested = build_request(id_).model_copy(update={"delivery_window_s": 600})
    made = RenderCompleted(generation_id=id_, outputs=PICTURES, delivered=2, requested=2, provider="local")
    await handle(unit, handlers, [request, build_deduction(id_)])
    assert await handle(unit, handlers, [made]) == ["session.generation_ready.v1"]
    await pass_window(unit, id_)
    return id_


async def pass_window(unit: UnitOfWork, id_: UUID) -> None:
    await unit.pool.execute("UPDATE sagas SET timer_at = now(), look_at = now() WHERE generation_id = $1", id_)


async def test_a_window_does_not_end_while_the_gateway_has_not_said_what_it_delivered(
    unit: UnitOfWork, handlers: Handlers, gateway: Gateway
) -> None:
    id_ = await make_ready(unit, handlers)

    for _ in range(3):
        await handlers.fire_timers(unit)
    waiting = await state(unit, id_)
    gateway.delivered = ()
    await handlers.fire_timers(unit)

    assert waiting == "delivering"
    assert set(gateway.closed) == {id_}
    assert await state(unit, id_) == "refunding"


async def test_a_delivery_whose_message_was_lost_is_charged_when_its_window_ends(
    unit: UnitOfWork, handlers: Handlers, gateway: Gateway
) -> None:
    id_ = await make_ready(unit, handlers)
    gateway.delivered = FETCHED

    await handlers.fire_timers(unit)

    assert await state(unit, id_) == "capturing"


async def test_a_delivery_in_part_is_kept_and_moves_no_window(
    unit: UnitOfWork, handlers: Handlers, gateway: Gateway
) -> None:
    id_ = await make_ready(unit, handlers)
    [before] = await store.find(unit.pool, [id_])
    taken: OutputDelivery = FETCHED[1]

    await handle(unit, handlers, [OutputsDelivered(generation_id=id_, delivered=(taken,))])
    [known] = await store.find(unit.pool, [id_])
    timer_at = await unit.pool.fetchval("SELECT timer_at FROM sagas WHERE generation_id = $1", id_)
    await pass_window(unit, id_)
    gateway.delivered = (taken,)
    await handlers.fire_timers(unit)
    [ended] = await store.find(unit.pool, [id_])

    assert before.delivery is not None
    assert known.delivery is not None
    assert known.delivery.delivered == (taken,)
    assert timer_at == known.delivery.deliver_by == before.delivery.deliver_by
    assert ended.result is not None
    assert (ended.state, ended.result.outputs) == ("capturing", PICTURES[1:])


async def test_who_has_missed_that_outputs_can_be_taken_is_sent_it_again(unit: UnitOfWork, handlers: Handlers) -> None:
    id_ = await make_ready(unit, handlers)
    holds: Any = None

    [replayed] = await replay_states(await store.find(unit.pool, [id_]), holds)

    assert [event["name"] for event in replayed["events"]][-1] == "session.generation_ready.v1"
