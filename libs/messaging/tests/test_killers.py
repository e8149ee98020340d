"""A message that kills its consumer dies alone: its neighbours are handled and acknowledged apart from it."""

from contextlib import suppress

import aio_pika
import pytest
from aio_pika.abc import AbstractIncomingMessage

from atelier_contracts.bundle import BUNDLE_TYPE, bundle
from atelier_messaging import Bus, Transaction, topology
from atelier_messaging.consumer import Consumer, Handler
from atelier_messaging.testing import becomes

from .conftest import Begin
from .server import Exhausted, Scripted, Server, request, write_effect

pytestmark = pytest.mark.stack
FRAMES_MAX = 50


class Killed(BaseException):
    """The process is gone in the middle of a message."""


async def test_a_message_that_kills_its_consumer_takes_no_neighbours_along(
    server: Server, begin: Begin, server_urls: tuple[str, str]
) -> None:
    killer, before, behind = request(), [request() for _ in range(10)], [request() for _ in range(10)]
    killing, harmless = [request(), killer], [request(), request()]
    await server.send(*before)
    for bundled in (killing, harmless):
        await server.send_raw(bundle(bundled), {}, str(bundled[0].id), content_type=BUNDLE_TYPE)
    await server.send(*behind)
    service = await begin()

    async def handler(tx: Transaction) -> None:
        for delivery in tx.fresh:
            if delivery.envelope.id == killer.id:
                raise Killed
            await write_effect(tx, delivery)

    for _ in range(topology.DELIVERY_LIMIT + 1):
        await _live_once(server, service, server_urls[0], handler)

    innocent = [*before, killing[0], *harmless, *behind]
    assert sorted(await server.effects()) == sorted(envelope.id for envelope in innocent)
    await becomes(1, server.dead)
    [dead] = await server.take(1, topology.dead_queue(server.queue))
    assert dead.message_id == str(killing[0].id)  # the frame of the killer: its other message had its effect before


async def _live_once(server: Server, service: Bus, url: str, handler: Handler) -> None:
    """One process: takes what lies there, handles it as far as it comes, and dies or ends."""
    async with await aio_pika.connect(url) as process:
        queue = await (await process.channel()).get_queue(server.queue)
        raws: list[AbstractIncomingMessage] = []
        while len(raws) < FRAMES_MAX and (raw := await queue.get(fail=False)) is not None:
            raws.append(raw)
        if raws:
            with suppress(Killed, Exhausted):
                await Consumer(server.queue, handler, service.unit, service.publisher).run(Scripted(raws))
