"""Consuming: each message is handled once, one at fault is taken out from among its neighbours, nothing is dropped."""

import asyncio
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from atelier_contracts import Envelope
from atelier_contracts.bundle import BUNDLE_TYPE
from atelier_messaging import Poison, Transient, topology
from atelier_messaging.consumer import ATTEMPT_HEADER, REASON_HEADER, Consumer
from atelier_messaging.dead_letters import list_dead
from atelier_messaging.link import Link
from atelier_messaging.testing import becomes

from .conftest import RETRY_DELAYS_S, Begin
from .server import Exhausted, Recorder, Scripted, Server, request

pytestmark = pytest.mark.stack


class NotUtf8(str):
    """A text of another encoding, as a client in another language may send it."""

    def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
        return b"\xff\x00"


SURPRISE = ZeroDivisionError("surprise")


@pytest.mark.parametrize("at", [0, 4, 9])
async def test_poison_is_buried_and_its_neighbours_are_handled_once(server: Server, begin: Begin, at: int) -> None:
    batch = [request() for _ in range(10)]
    handler = Recorder(failing={batch[at].id: Poison("the hold is gone")})

    await _consume(server, begin, handler, batch)

    assert await server.effects() == [envelope.id for envelope in batch if envelope is not batch[at]]
    assert handler.handled[0] == [envelope.id for envelope in batch]
    (dead,) = await server.take(1, topology.dead_queue(server.queue))
    assert dead.message_id == str(batch[at].id)
    assert dead.headers[REASON_HEADER] == "Poison: the hold is gone"


async def test_a_batch_of_poison_only_is_buried_whole(server: Server, begin: Begin) -> None:
    batch = [request() for _ in range(5)]

    await _consume(server, begin, Recorder(failing=dict.fromkeys([e.id for e in batch], Poison("no"))), batch)

    assert await server.effects() == []
    await becomes(5, server.dead)


async def test_poison_in_a_bundle_is_buried_alone_and_the_rest_of_it_handled_once(
    server: Server, begin: Begin, amqp_link: Link
) -> None:
    sender = await begin()
    async with sender.unit.once(dispatch=False) as tx:
        sent = [tx.emit(request().message) for _ in range(10)]
    await asyncio.gather(*(sender.outbox.dispatch(envelope) for envelope in sent))
    await becomes(1, server.count)

    await begin(Recorder(failing={sent[4].id: Poison("no")}))

    await becomes([envelope.id for envelope in sent if envelope is not sent[4]], server.effects)
    await becomes([str(sent[4].id)], lambda: _find_dead_letters(server, amqp_link))


async def test_a_bundle_that_is_none_is_buried_whole(server: Server, begin: Begin, amqp_link: Link) -> None:
    after = request()
    await begin(Recorder())

    await server.send_raw(b"[17]", {}, "no bundle", content_type=BUNDLE_TYPE)
    await server.send(after)

    await becomes([after.id], server.effects)
    await becomes(["no bundle"], lambda: _find_dead_letters(server, amqp_link))


async def test_a_message_that_cannot_be_decoded_is_buried_and_its_neighbours_handled(
    server: Server, begin: Begin
) -> None:
    before, after, handler = request(), request(), Recorder()
    await begin(handler)

    await server.send(before)
    await server.send_raw(b"\xff\x00 no json", before.headers, "broken")
    await server.send_raw(b"{}", {}, "nameless")
    await server.send(after)

    await becomes([before.id, after.id], server.effects)
    await becomes(2, server.dead)
    broken, nameless = await server.take(2, topology.dead_queue(server.queue))
    assert (broken.message_id, nameless.message_id) == ("broken", "nameless")
    assert "Invalid JSON" in str(broken.headers[REASON_HEADER])
    assert "message type" in str(nameless.headers[REASON_HEADER])
    assert broken.body == b"\xff\x00 no json"


async def test_headers_of_every_kind_survive_the_way_to_the_grave(server: Server, begin: Begin) -> None:
    odd = {
        ATTEMPT_HEADER: "many",
        "none": None,
        "yes": True,
        "bytes": bytearray(b"\xff\x00"),
        "number": -(2**40),
        "share": 0.5,
        "price": Decimal("1.50"),
        "when": datetime(2030, 1, 1, tzinfo=UTC),
        "nested": {"list": [1, "two", None]},
        "text": "sch\u00f6n \U0001f600" * 100,
    }
    poison = request()
    await begin(Recorder(failing={poison.id: Poison("lone surrogate \ud800")}))

    unreadable = {"unreadable": NotUtf8(), "huge": bytearray(b"\xff") * 10_000}
    await server.send_raw(poison.body.encode(), {**poison.headers, **odd, **unreadable}, str(poison.id))

    await becomes(1, server.dead)
    (dead,) = await server.take(1, topology.dead_queue(server.queue))
    assert {name: dead.headers[name] for name in odd} == odd
    assert dead.headers["unreadable"] == repr(b"\xff\x00")
    assert dead.headers[REASON_HEADER] == "Poison: lone surrogate ?"


async def test_a_surprise_climbs_the_ladder_and_is_buried(
    server: Server, begin: Begin, caplog: pytest.LogCaptureFixture
) -> None:
    strange, neighbour = request(), request()
    handler = Recorder(failing={strange.id: SURPRISE})
    await begin(handler)

    await server.send(strange, neighbour)

    await becomes(1, server.dead)
    await becomes([neighbour.id], server.effects)
    alone = [batch for batch in handler.handled if batch == [strange.id]]
    assert len(alone) >= 1 + len(RETRY_DELAYS_S)
    (dead,) = await server.take(1, topology.dead_queue(server.queue))
    assert dead.headers[REASON_HEADER] == "ZeroDivisionError: surprise"
    assert dead.headers[ATTEMPT_HEADER] == len(RETRY_DELAYS_S)
    lines = [record for record in caplog.records if getattr(record, "subject", "") == str(strange.message.subject)]
    assert [line.levelname for line in lines] == ["WARNING"] * len(RETRY_DELAYS_S) + [
        "ERROR"
    ]  # one a retry, one a death


async def test_a_surprise_that_passes_is_handled_once(server: Server, begin: Begin) -> None:
    strange = request()
    handler = Recorder(failing={strange.id: SURPRISE})
    await begin(handler)

    await server.send(strange)
    await becomes(True, handler.has_tried(strange, 2))
    handler.failing.clear()

    await becomes([strange.id], server.effects)
    assert await server.dead() == 0


async def test_a_transient_message_is_tried_for_ever_and_never_buried(server: Server, begin: Begin) -> None:
    later = request()
    handler = Recorder(failing={later.id: Transient("the provider rests")})
    await begin(handler)

    await server.send(later)
    await becomes(True, handler.has_tried(later, 2 * len(RETRY_DELAYS_S) + 2))
    assert await server.dead() == 0
    handler.failing.clear()

    await becomes([later.id], server.effects)


async def test_no_message_waits_behind_one_that_is_tried_again(server: Server, begin: Begin) -> None:
    later = request()
    handler = Recorder(failing={later.id: Transient("not yet")})
    await begin(handler)
    await server.send(later)
    await becomes(True, handler.has_tried(later, 1))

    others = [request() for _ in range(20)]
    await server.send(*others)

    await becomes([other.id for other in others], server.effects)


async def _consume(server: Server, begin: Begin, handler: Recorder, batch: list[Envelope]) -> None:
    """Handles the messages as one batch, to the ack."""
    await server.send(*batch)
    bus, raws = await begin(), await server.take(len(batch))
    with pytest.raises(Exhausted):
        await Consumer(server.queue, handler, bus.unit, bus.publisher).run(Scripted(raws))


async def _find_dead_letters(server: Server, link: Link) -> list[str]:
    return [letter.message_id for letter in await list_dead(link.url, server.queue)]
