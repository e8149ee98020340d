"""The session withdraws a request and its answer is lost: what it can never start again is not promised."""

import httpx
import pytest

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
