"""Handovers on real Postgres and S3: the last piece of an output, a cancel and the end of the window exclude each
other."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from starlette.types import Message as AsgiMessage

from atelier_contracts import Artefact, CancelRequested, GenerationReady, OutputsDelivered
from atelier_gateway.generations import delivery
from atelier_gateway.generations.output_transfer import PIECE_BYTES, OutputTransfers
from atelier_gateway.projection import store as projection_store
from atelier_gateway.projection.handover import Handover
from atelier_gateway.projection.store import Generation
from atelier_storage.keys import artefact_key

from ..support.native import IMAGE, cancel, create, wait_until_status
from ..support.neighbours import ignore
from ..support.world import World

pytestmark = pytest.mark.stack
DATA = b"x" * (2 * PIECE_BYTES + 7)


async def make_ready(world: World, *, window_s: float = 600.0) -> tuple[Generation, dict[str, str]]:
    """A generation of one output of three pieces, which can be taken."""
    user, headers = await world.user()
    id_ = await create(world, headers, {**IMAGE, "charge": "on_delivery"})
    key = artefact_key("user", user, id_, 0, "png")
    await world.container.objects.put(key, DATA, "image/png")
    output = Artefact(key=key, content_type="image/png", size=len(DATA), sha256=hashlib.sha256(DATA).hexdigest())
    deliver_by = datetime.now(UTC) + timedelta(seconds=window_s)
    await world.neighbours.say(
        GenerationReady(generation_id=id_, outputs=(output,), made=1, deliver_by=deliver_by, provider="local")
    )
    await wait_until_status(world, headers, id_, "delivering")
    return await read(world, id_), headers


async def read(world: World, id_: UUID) -> Generation:
    found = await projection_store.find_by_id(world.pool, id_)
    assert found is not None
    return found


async def handover_of(world: World, id_: UUID) -> Handover:
    found = (await read(world, id_)).snapshot.handover
    assert found is not None
    return found


async def close(world: World, id_: UUID) -> dict[UUID, Any]:
    async with world.container.bus.unit.once() as tx:
        return await world.container.deliverer.close_all(tx, [id_])


def deliveries_heard(world: World, id_: UUID) -> list[OutputsDelivered]:
    """Of this generation: what the test before has sent may come late."""
    heard = (envelope.message for envelope in world.neighbours.heard)
    return [each for each in heard if isinstance(each, OutputsDelivered) and each.generation_id == id_]


async def send(world: World, generation: Generation, before: Callable[[int], Awaitable[bool]]) -> tuple[bytes, bool]:
    """What a client gets of the output, and whether that is all of it. ``before`` is awaited before each piece, with
    its number; the client has left where it is False."""
    transfers = OutputTransfers(world.container.objects, world.container.deliverer)
    response = await transfers.respond(generation, "0")
    got, is_whole, pieces, left, noticed = bytearray(), False, 0, asyncio.Event(), asyncio.Event()

    async def receive() -> AsgiMessage:
        await left.wait()
        noticed.set()
        return {"type": "http.disconnect"}

    async def take(message: AsgiMessage) -> None:
        nonlocal is_whole, pieces
        if message["type"] == "http.response.body":
            got.extend(message["body"])
            is_whole = not message["more_body"]
            pieces += 1
        if not is_whole and not await before(pieces):
            left.set()
            await noticed.wait()

    await response({"type": "http", "method": "GET"}, receive, take)
    return bytes(got), is_whole


async def goes_on(_: int) -> bool:
    return True


async def test_an_output_is_delivered_when_its_last_byte_is_sent_and_not_before(world: World) -> None:
    generation, _ = await make_ready(world)
    seen: list[bool] = []

    async def look(_: int) -> bool:
        seen.append((await handover_of(world, generation.id)).has_delivered(0))
        return True

    got, is_whole = await send(world, generation, look)

    assert (got, is_whole, any(seen)) == (DATA, True, False)
    assert (await handover_of(world, generation.id)).has_delivered(0)


@pytest.mark.parametrize("piece", [0, 1, 2])
async def test_a_client_that_leaves_before_the_last_byte_has_not_got_the_output(world: World, piece: int) -> None:
    generation, _ = await make_ready(world)

    async def leaves(number: int) -> bool:
        return number != piece

    _, is_whole = await send(world, generation, leaves)
    handover = await handover_of(world, generation.id)

    assert not is_whole
    assert (handover.delivered, handover.transfers) == ((), ())
    assert deliveries_heard(world, generation.id) == []
    assert (await send(world, generation, goes_on))[1]


async def test_what_is_closed_while_it_is_sent_is_not_sent_to_its_end(world: World) -> None:
    generation, headers = await make_ready(world)
    world.neighbours.stop = ignore

    async def cancels(number: int) -> bool:
        if number == 1:
            await asyncio.wait_for(cancel(world, headers, generation.id), 60)
        return True

    got, is_whole = await send(world, generation, cancels)

    assert not is_whole
    assert len(got) < len(DATA)
    assert (await handover_of(world, generation.id)).delivered == ()


async def test_while_the_last_piece_is_on_its_way_nothing_closes_the_handover(world: World) -> None:
    generation, headers = await make_ready(world)
    deliverer = world.container.deliverer
    transfer = await deliverer.begin_transfer(generation.id, 0)
    assert transfer is not None

    refused = await cancel(world, headers, generation.id)
    left_out = await close(world, generation.id)
    await deliverer.end_transfer(generation.id, transfer, is_sent=True)
    closed = await close(world, generation.id)

    assert (refused.status_code, refused.headers["Retry-After"]) == (409, "1")
    assert left_out == {}
    assert [each.output for each in closed[generation.id]] == [0]
    assert not any(isinstance(envelope.message, CancelRequested) for envelope in world.neighbours.heard)


async def test_a_transfer_whose_process_died_holds_the_handover_open_no_longer_than_its_time(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery, "TRANSFER_S_MAX", 0.0)
    generation, _ = await make_ready(world)
    transfer = await world.container.deliverer.begin_transfer(generation.id, 0)
    assert transfer is not None

    closed = await close(world, generation.id)
    await world.container.deliverer.end_transfer(generation.id, transfer, is_sent=True)

    assert closed == {generation.id: ()}
    assert (await handover_of(world, generation.id)).delivered == ()


async def test_what_was_cancelled_says_what_was_delivered_and_delivers_nothing_more(world: World) -> None:
    generation, headers = await make_ready(world)
    world.neighbours.stop = ignore
    await send(world, generation, goes_on)

    cancelled = asyncio.create_task(cancel(world, headers, generation.id))

    async def is_heard() -> bool:
        return any(isinstance(envelope.message, CancelRequested) for envelope in world.neighbours.heard)

    await world.until(is_heard)
    [message] = [e.message for e in world.neighbours.heard if isinstance(e.message, CancelRequested)]
    await cancelled

    assert [each.output for each in message.delivered] == [0]
    assert await world.container.deliverer.begin_transfer(generation.id, 0) is None


async def test_after_its_window_an_output_is_neither_fetched_nor_acknowledged(world: World) -> None:
    generation, headers = await make_ready(world, window_s=-1)
    here = f"/v1/generations/{generation.id}"

    fetched = await world.client.get(f"{here}/outputs/0", headers=headers)
    acknowledged = await world.client.post(f"{here}/delivery", headers=headers)

    assert (fetched.status_code, acknowledged.status_code) == (404, 409)
    assert deliveries_heard(world, generation.id) == []


async def test_the_session_has_handovers_closed_with_its_token_alone(world: World) -> None:
    generation, _ = await make_ready(world)
    await send(world, generation, goes_on)
    unknown = uuid4()
    body = {"ids": [str(generation.id), str(unknown)]}
    token = world.container.settings.service_token.get_secret_value()

    refused = await world.operations.post("/internal/handovers/close", json=body)
    closed = await world.operations.post(
        "/internal/handovers/close", json=body, headers={"Authorization": f"Bearer {token}"}
    )

    assert refused.status_code == 401
    assert {each["id"]: len(each["delivered"]) for each in closed.json()["closed"]} == {
        str(generation.id): 1,
        str(unknown): 0,
    }
