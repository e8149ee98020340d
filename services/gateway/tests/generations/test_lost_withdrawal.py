"""The session withdraws a request and its answer is lost: what it can never start again is not promised."""

import httpx
import pytest

from atelier_gateway.peers import withdrawal

from ..support.world import World

pytestmark = pytest.mark.stack
NOTHING = {"generations": 0, "idempotency": 0, "outbox": 0}


@pytest.mark.usefixtures("short_waits")
async def test_what_the_session_withdrew_is_not_promised_though_its_answer_was_lost(world: World) -> None:
    _, headers = await world.store()
    http, lost = world.container.peers._http, [0]

    async def lose_first_answer(response: httpx.Response) -> None:
        if response.request.url.path.endswith("/withdraw") and not lost[0]:
            lost[0] += 1
            raise httpx.ReadError("the session died before it answered", request=response.request)

    http.event_hooks = {"response": [lose_first_answer]}
    world.to_broker.freeze()
    try:
        refused, rows = await world.create(headers, "a-key"), await world.rows()
    finally:
        http.event_hooks = {}
        world.to_broker.thaw()

    assert (lost, refused.status_code, rows) == ([1], 503, NOTHING)


@pytest.mark.usefixtures("short_waits")
async def test_where_the_session_may_have_withdrawn_it_and_does_not_say_nothing_is_promised(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(withdrawal, "IN_DOUBT_S_MAX", 1.0)
    _, headers = await world.store()
    world.neighbours.verdict = None
    world.to_broker.freeze()
    try:
        answered = await world.create(headers)
    finally:
        world.to_broker.thaw()

    assert (answered.status_code, answered.headers["Retry-After"]) == (503, "30"), "what an unknown outcome says"
    assert await world.pool.fetchval("SELECT count(*) FROM unconfirmed_messages") == 0
