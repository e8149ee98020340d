"""Dead letters over the admin API: each service lists its own; acts name what they move, and why."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from atelier_contracts import Envelope, RenderStarted, wrap
from atelier_contracts.routes import GATEWAY_PROJECTION
from atelier_messaging.topology import DEAD_EXCHANGE

from ...support.operators import operator, renew
from ...support.world import ADMIN, World

pytestmark = pytest.mark.stack
LETTERS = f"/v1/admin/dead-letters/{GATEWAY_PROJECTION}"


@pytest.fixture(autouse=True)
async def no_letters_are_left(world: World) -> AsyncIterator[None]:
    """Before and after each test."""
    await _discard_all(world)
    yield
    await _discard_all(world)
    await renew(world)


async def letters(world: World) -> list[dict[str, Any]]:
    listed = await world.operations.get(LETTERS, headers=ADMIN)
    assert listed.status_code == 200, listed.text
    return list(listed.json()["data"])


async def _discard_all(world: World) -> None:
    if frames := [letter["frame"] for letter in await letters(world)]:
        await world.operations.post(f"{LETTERS}/discard", headers=ADMIN, json={"reason": "test", "frames": frames})


async def bury(world: World, number: int) -> list[Envelope]:
    """Messages that lie among the dead letters of the gateway."""
    made = [wrap(RenderStarted(generation_id=uuid4(), attempt=1), source="atelier/render") for _ in range(number)]
    for envelope in made:
        await world.neighbours.bury(envelope, GATEWAY_PROJECTION, DEAD_EXCHANGE)

    async def all_lie() -> bool:
        return len(await letters(world)) == number

    await world.until(all_lie)
    return made


async def test_dead_letters_are_listed_with_reason_body_and_age(world: World) -> None:
    (buried,) = await bury(world, 1)

    (letter,) = await letters(world)
    queues = (await world.operations.get("/v1/admin/dead-letters", headers=ADMIN)).json()

    assert (letter["message_id"], letter["name"]) == (str(buried.id), "render.render_started.v1")
    assert letter["body"] == buried.body and letter["reason"] == "a test" and letter["sent_at"] is not None
    counted = {row["queue"]: row for row in queues["data"]}
    assert counted[GATEWAY_PROJECTION]["messages"] == 1
    assert counted["billing.commands"]["messages"] is None
    assert "billing does not answer" in counted["billing.commands"]["reason"]
    assert {row["service"] for row in queues["outboxes"]} == {"gateway", "session", "billing", "render"}


async def test_one_is_redriven_and_another_discarded_each_with_a_reason_in_its_act(world: World) -> None:
    await bury(world, 3)
    frames = [letter["frame"] for letter in await letters(world)]

    moved = await world.operations.post(
        f"{LETTERS}/redrive", headers=ADMIN, json={"reason": "mended", "frames": frames[:1]}
    )
    dropped = await world.operations.post(
        f"{LETTERS}/discard", headers=ADMIN, json={"reason": "a forgery", "frames": frames[1:2]}
    )

    assert (moved.json(), dropped.json()) == ({"frames": 1}, {"frames": 1})
    assert [letter["frame"] for letter in await letters(world)] == frames[2:]
    acts = (await world.operations.get("/v1/admin/acts?limit=2", headers=ADMIN)).json()["data"]
    assert [(act["act"], act["details"]["reason"], act["details"]["frames"]) for act in acts] == [
        ("dead_letters.discard", "a forgery", frames[1:2]),
        ("dead_letters.redrive", "mended", frames[:1]),
    ]


async def test_a_viewer_moves_no_letter_and_an_unknown_queue_is_404(world: World) -> None:
    await bury(world, 1)
    _, viewer = await operator(world, "viewer")

    refused = await world.operations.post(f"{LETTERS}/redrive", headers=viewer, json={"reason": "x"})
    unknown = await world.operations.get("/v1/admin/dead-letters/nobody.commands", headers=ADMIN)
    without = await world.operations.post(f"{LETTERS}/redrive", headers=ADMIN, json={})

    assert [refused.status_code, unknown.status_code, without.status_code] == [403, 404, 400]
    assert len(await letters(world)) == 1
