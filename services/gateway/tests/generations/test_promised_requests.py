"""A request that was accepted while the session was away begins although the broker lost it: it is sent until it is
known."""

from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from atelier_contracts import GenerationQueued
from atelier_contracts.routes import SESSION_SAGA
from atelier_gateway.idempotency.keys import REBUILD_AFTER
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.peers.message_repeater import MessageRepeater

from ..support.neighbours import ignore
from ..support.wiping import wiped
from ..support.world import Headers, World

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("short_waits")]
AFTER_S = 60.0


async def accept_and_lose(world: World, headers: Headers) -> UUID:
    """The id of a generation that was accepted while the session was away, and whose message a wiped broker lost."""
    world.neighbours.verdict = None
    async with wiped(world, SESSION_SAGA):
        created = await world.create(headers, "a-key")
    world.neighbours.verdict = "withdrawn"
    assert created.status_code == 201
    return id_of(created)


def id_of(created: httpx.Response) -> UUID:
    return UUID(created.json()["data"]["session_id"])


async def recover(world: World, id_: UUID) -> None:
    """The session, which answers again, says twice that it does not know it."""
    for _ in range(2):
        long_ago = "UPDATE generations SET checked_at = NULL, updated_at = now() - interval '1 hour' WHERE id = $1"
        await world.pool.execute(long_ago, id_)
        await world.container.recovery.check()


async def repeat(world: World) -> None:
    """A minute later, as long as it takes to be due."""
    await world.pool.execute("UPDATE unconfirmed_messages SET sent_at = sent_at - interval '1 hour'")
    await MessageRepeater(world.container.bus, after_s=AFTER_S).repeat()


async def is_all_sent(world: World) -> bool:
    return not await world.pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")


async def state_of(world: World, id_: UUID) -> str:
    return str(await world.pool.fetchval("SELECT state FROM generations WHERE id = $1", id_))


async def until_state(world: World, id_: UUID, state: str) -> None:
    async def is_reached() -> bool:
        return await state_of(world, id_) == state

    await world.until(is_reached)


async def forget_the_reply(world: World) -> None:
    """As where the process died before it had stored what it answered."""
    age = REBUILD_AFTER + timedelta(seconds=1)
    forget = "UPDATE idempotency SET reply_status = NULL, reply_body = NULL, claimed_at = now() - $1::interval"
    await world.pool.execute(forget, age)


async def test_a_request_accepted_while_the_session_was_away_is_sent_again_until_it_has_begun(world: World) -> None:
    _, headers = await world.store()
    id_ = await accept_and_lose(world, headers)

    await recover(world, id_)
    kept = await state_of(world, id_)
    await repeat(world)
    await until_state(world, id_, "queued")
    await repeat(world)

    assert kept == "accepted"
    assert world.neighbours.started == [id_]
    assert await world.pool.fetchval("SELECT count(*) FROM unconfirmed_messages") == 0


async def test_a_request_that_the_saga_never_begins_is_ended_at_last_without_a_charge(world: World) -> None:
    _, headers = await world.store()
    world.neighbours.answer = ignore
    id_ = await accept_and_lose(world, headers)
    for _ in range(6):
        await repeat(world)
    await world.until(lambda: is_all_sent(world))
    sent = len(world.neighbours.heard)
    await recover(world, id_)

    assert sent == 5
    assert (await state_of(world, id_), id_ in world.neighbours.tombstones) == ("failed", True)


async def test_what_waits_in_the_outbox_is_promised_and_noted_without_the_address_of_its_reply(world: World) -> None:
    _, headers = await world.store()
    world.neighbours.verdict = None
    world.to_broker.freeze()
    try:
        created = await world.create(headers)
        await world.pool.execute("DELETE FROM unconfirmed_messages")  # as where it died before it had noted the message
        is_promised = await unconfirmed_store.keep_unsent_request(world.pool, id_of(created))
    finally:
        world.to_broker.thaw()

    noted = await world.pool.fetchrow("SELECT subject, body::jsonb - 'spec' AS body FROM unconfirmed_messages")
    assert (created.status_code, is_promised) == (201, True)
    assert noted is not None
    assert (noted["subject"], "reply_to" in noted["body"]) == (id_of(created), False)
    assert not await unconfirmed_store.keep_unsent_request(world.pool, uuid4())


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_repeated_key_is_promised_nothing_that_the_session_does_not_know(world: World, is_known: bool) -> None:
    _, headers = await world.store()
    id_ = await accept_and_lose(world, headers)
    await world.pool.execute("DELETE FROM unconfirmed_messages")
    await forget_the_reply(world)
    if is_known:
        world.neighbours.standing[id_] = [GenerationQueued(generation_id=id_, credits=1)]

    repeated = await world.create(headers, "a-key")

    assert repeated.status_code == (201 if is_known else 409)
