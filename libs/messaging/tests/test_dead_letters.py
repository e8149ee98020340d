"""Dead letters: an operator can look at them without harm, and send them again once their cause is gone."""

import pytest

from atelier_contracts.bundle import BUNDLE_TYPE, bundle
from atelier_messaging import Poison, topology
from atelier_messaging.dead_letters import DeadLetter, discard, list_dead, redrive
from atelier_messaging.link import Link
from atelier_messaging.testing import becomes

from .conftest import Begin
from .server import Recorder, Server, request

pytestmark = pytest.mark.stack

DEAD = 60
"""Enough for the first to have died again before the last is sent again."""
SURPRISE = ZeroDivisionError("surprise")


async def test_a_bundle_the_broker_gave_up_is_listed_by_message_and_redriven(
    server: Server, begin: Begin, amqp_link: Link
) -> None:
    sent = [request() for _ in range(3)]
    await server.send_raw(bundle(sent), {}, str(sent[0].id), content_type=BUNDLE_TYPE)
    await _kill_until_given_up(server)
    await begin(Recorder())

    assert await list_dead(amqp_link.url, server.queue) == [
        DeadLetter(str(e.id), e.message.name, str(e.message.subject), "delivery_limit") for e in sent
    ]
    assert await redrive(amqp_link.url, server.queue) == 1

    await becomes([envelope.id for envelope in sent], server.effects)


async def test_listing_dead_letters_leaves_them_where_they_are(server: Server, begin: Begin, amqp_link: Link) -> None:
    poison = [request() for _ in range(3)]
    await begin(Recorder(failing={envelope.id: Poison("no") for envelope in poison}))
    await server.send(*poison)
    await becomes(3, server.dead)

    for _ in range(2):
        assert await list_dead(amqp_link.url, server.queue) == [
            DeadLetter(str(e.id), e.message.name, str(e.message.subject), "Poison: no") for e in poison
        ]

    await becomes(3, server.dead)


async def test_a_redriven_dead_letter_is_handled_once_when_its_cause_is_gone(
    server: Server, begin: Begin, amqp_link: Link
) -> None:
    poison = [request() for _ in range(3)]
    handler = Recorder(failing={envelope.id: Poison("no") for envelope in poison})
    await begin(handler)
    await server.send(*poison)
    await becomes(3, server.dead)
    handler.failing.clear()

    assert await redrive(amqp_link.url, server.queue) == 3

    await becomes([envelope.id for envelope in poison], server.effects)
    assert await server.dead() == 0


async def test_a_dead_letter_says_what_it_held_and_when_it_was_sent_and_put_aside(
    server: Server, begin: Begin, amqp_link: Link
) -> None:
    poison = request()
    await begin(Recorder(failing={poison.id: Poison("no")}))
    await server.send(poison)
    await becomes(1, server.dead)

    (letter,) = await list_dead(amqp_link.url, server.queue)

    assert letter.body == poison.body
    assert letter.sent_at is not None and letter.dead_at is not None
    assert letter.sent_at.timestamp() - 1 <= letter.dead_at.timestamp()


async def test_those_that_are_named_are_redriven_or_discarded_and_the_others_stay(
    server: Server, begin: Begin, amqp_link: Link
) -> None:
    poison = [request() for _ in range(4)]
    handler = Recorder(failing={envelope.id: Poison("no") for envelope in poison})
    await begin(handler)
    await server.send(*poison)
    await becomes(4, server.dead)
    frames = [letter.frame for letter in await list_dead(amqp_link.url, server.queue)]
    handler.failing.clear()

    assert await redrive(amqp_link.url, server.queue, frames=frames[1:2]) == 1
    assert await discard(amqp_link.url, server.queue, [frames[2], "0" * 24]) == 1

    await becomes([poison[1].id], server.effects)
    left = [letter.message_id for letter in await list_dead(amqp_link.url, server.queue)]
    assert sorted(left) == sorted(str(poison[number].id) for number in (0, 3))


async def test_redriving_what_dies_again_ends(server: Server, begin: Begin, amqp_link: Link) -> None:
    poison = [request() for _ in range(DEAD)]
    await begin(Recorder(failing={envelope.id: Poison("no") for envelope in poison}))
    await server.send(*poison)
    await becomes(DEAD, server.dead)

    assert await redrive(amqp_link.url, server.queue) == DEAD

    await becomes(DEAD, server.dead)


async def test_a_redriven_message_climbs_the_whole_ladder_again(server: Server, begin: Begin, amqp_link: Link) -> None:
    strange = request()
    handler = Recorder(failing={strange.id: SURPRISE})
    await begin(handler)
    await server.send(strange)
    await becomes(1, server.dead)
    tries = len(handler.handled)

    assert await redrive(amqp_link.url, server.queue) == 1

    await becomes(1, server.dead)
    assert len(handler.handled) == 2 * tries


async def test_a_message_the_broker_gave_up_is_not_lost_when_it_is_tried_again(
    server: Server, begin: Begin, amqp_link: Link
) -> None:
    """It carries the broker's history of its death, with which a second way through the ladder looks like a cycle."""
    fatal = request()
    await server.send(fatal)
    await _kill_until_given_up(server)
    handler = Recorder(failing={fatal.id: SURPRISE})
    await begin(handler)

    assert await redrive(amqp_link.url, server.queue) == 1
    await becomes(True, handler.has_tried(fatal, 1))
    handler.failing.clear()

    await becomes([fatal.id], server.effects)


async def _kill_until_given_up(server: Server) -> None:
    """Takes the message and gives it back, as a consumer does that dies of it, until the broker buries it."""
    for _ in range(topology.DELIVERY_LIMIT + 1):
        (raw,) = await server.take(1)
        await raw.reject(requeue=True)
    await becomes(1, server.dead)
