"""A request that was accepted while the session was unreachable begins although the broker lost it: it is sent until it
has begun."""

import asyncio
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from atelier_contracts import GenerationQueued, GenerationRejected, GenerationRequested, GrantCredit, Owner
from atelier_contracts.routes import SESSION_SAGA
from atelier_gateway.idempotency.keys import ABANDONED_AFTER, REBUILD_AFTER
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.peers.message_repeater import MessageRepeater

from ..conftest import SHORT_S
from ..support.neighbours import ignore
from ..support.unreachable import session_unreachable
from ..support.wiping import wiped
from ..support.world import Headers, World

pytestmark = [pytest.mark.stack, pytest.mark.usefixtures("short_waits")]
AFTER_S = 60.0


async def accept_and_lose(world: World, headers: Headers) -> UUID:
    """The id of a generation that was accepted without the session, and whose message a wiped broker lost."""
    world.neighbours.answer, usual = ignore, world.neighbours.answer
    with session_unreachable(world):
        async with wiped(world, SESSION_SAGA):
            created = await world.create(headers, "a-key")
    world.neighbours.answer = usual
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


async def are_all_heard(world: World, messages: int) -> bool:
    unsent = await world.pool.fetchval("SELECT count(*) FROM outbox")
    return not unsent and len(world.neighbours.heard) >= messages


async def is_mended(world: World) -> bool:
    try:
        return bool(await world.pool.fetchval("SELECT true"))
    except Exception:  # noqa: BLE001 - whatever it was, it is not mended
        return False


async def state_of(world: World, id_: UUID) -> str:
    return str(await world.pool.fetchval("SELECT state FROM generations WHERE id = $1", id_))


async def forget_the_reply(world: World, age: timedelta = ABANDONED_AFTER) -> None:
    """As where the process died, so long ago, before it had stored what it answered."""
    forget = "UPDATE idempotency SET reply_status = NULL, reply_body = NULL, claimed_at = now() - $1::interval"
    await world.pool.execute(forget, age)


async def forget_the_note(world: World) -> None:
    """As where it died before it had noted the message."""
    await world.pool.execute("DELETE FROM unconfirmed_messages")


async def test_a_request_accepted_while_the_session_was_away_is_sent_again_until_it_has_begun(world: World) -> None:
    _, headers = await world.store()
    id_ = await accept_and_lose(world, headers)

    await recover(world, id_)
    kept = await state_of(world, id_)
    await repeat(world)
    await world.until_all_are("queued")
    await repeat(world)

    assert kept == "accepted"
    assert world.neighbours.started == [id_]
    assert await world.pool.fetchval("SELECT count(*) FROM unconfirmed_messages") == 0


async def test_a_request_that_the_saga_never_begins_is_ended_at_last_without_a_charge(world: World) -> None:
    _, headers = await world.store()
    id_ = await accept_and_lose(world, headers)
    world.neighbours.answer = ignore
    for _ in range(6):
        await repeat(world)
    await world.until(lambda: are_all_heard(world, 5))
    await recover(world, id_)
    await world.until_all_are("failed")

    assert len(world.neighbours.heard) == 5
    assert id_ in world.neighbours.tombstones


async def test_where_its_note_could_not_be_written_a_request_is_not_promised(world: World) -> None:
    _, headers = await world.store()

    def ignore_as_the_database_goes(_: GenerationRequested) -> None:
        world.to_database.cut()
        asyncio.get_running_loop().call_later(2 * SHORT_S + 1, world.to_database.mend)

    world.neighbours.answer = ignore_as_the_database_goes
    with session_unreachable(world):
        answered = await world.create(headers)
        await world.until(lambda: is_mended(world))

    assert (answered.status_code, answered.headers["Retry-After"]) == (503, "30"), "what an unknown outcome says"


async def test_a_repeated_key_gets_the_promise_that_its_first_request_got(world: World) -> None:
    _, headers = await world.store()
    id_ = await accept_and_lose(world, headers)
    await forget_the_reply(world)

    repeated = await world.create(headers, "a-key")

    assert (repeated.status_code, id_of(repeated)) == (201, id_)
    assert id_ not in world.neighbours.tombstones


@pytest.mark.parametrize(
    ("told", "age", "status", "is_withdrawn"),
    [
        pytest.param("queued", REBUILD_AFTER, 201, False, id="begun"),
        pytest.param("rejected", ABANDONED_AFTER, 409, False, id="rejected"),
        pytest.param(None, REBUILD_AFTER, 409, False, id="unknown"),
        pytest.param(None, ABANDONED_AFTER, 409, True, id="abandoned"),
    ],
)
async def test_a_repeated_key_is_promised_only_what_the_session_knows(
    world: World, told: str | None, age: timedelta, status: int, is_withdrawn: bool
) -> None:
    _, headers = await world.store()
    id_ = await accept_and_lose(world, headers)
    await forget_the_note(world)
    await forget_the_reply(world, age)
    if told is not None:
        rejection = GenerationRejected(generation_id=id_, reason="insufficient_credits", required=1, available=0)
        queued = GenerationQueued(generation_id=id_, credits=1)
        world.neighbours.standing[id_] = [rejection if told == "rejected" else queued]

    repeated = await world.create(headers, "a-key")

    assert (repeated.status_code, id_ in world.neighbours.tombstones) == (status, is_withdrawn)
    if is_withdrawn:
        again = await world.create(headers, "a-key")
        assert (again.status_code, id_of(again) != id_) == (201, True)


async def test_a_repeated_key_is_not_promised_what_was_ended_before_its_first_request_got_an_answer(
    world: World,
) -> None:
    _, headers = await world.store()
    id_ = await accept_and_lose(world, headers)
    await forget_the_note(world)
    await forget_the_reply(world, REBUILD_AFTER)
    await recover(world, id_)

    repeated = await world.create(headers, "a-key")
    again = await world.create(headers, "a-key")

    assert repeated.status_code == 409
    assert (again.status_code, id_of(again) != id_) == (201, True)
    assert await state_of(world, id_) == "failed", "it was shown"


async def test_while_the_session_is_away_a_repeated_key_is_promised_what_is_still_to_be_sent(world: World) -> None:
    _, headers = await world.store()
    world.to_broker.freeze()
    settle, settled = world.container.creator._admission.settle, []
    try:
        with session_unreachable(world):
            created = await world.create(headers)
            await forget_the_note(world)
            for is_abandoned in (False, True):
                settled.append(await settle(id_of(created), is_abandoned=is_abandoned))
            settled.append(await settle(uuid4(), is_abandoned=True))
    finally:
        world.to_broker.thaw()

    noted = await world.pool.fetchrow("SELECT subject, body::jsonb - 'spec' AS body FROM unconfirmed_messages")
    assert settled == ["unknown", "accepted", "unknown"]
    assert noted is not None
    assert (noted["subject"], "reply_to" in noted["body"]) == (id_of(created), False)


async def test_an_operators_order_does_not_wait_behind_the_requests_of_an_outage(world: World) -> None:
    _, headers = await world.store()
    id_ = await accept_and_lose(world, headers)
    await world.pool.execute(
        """WITH copies AS (
               INSERT INTO generations SELECT (jsonb_populate_record(g, jsonb_build_object('id', gen_random_uuid()))).*
               FROM generations g, generate_series(1, $2) WHERE g.id = $1 RETURNING id)
           INSERT INTO unconfirmed_messages (subject, name, body, sent_at)
           SELECT c.id, m.name, m.body, m.sent_at FROM copies c, unconfirmed_messages m WHERE m.subject = $1""",
        id_,
        unconfirmed_store.REPEATED_MAX,
    )
    order = GrantCredit(grant_id=uuid4(), owner=Owner(kind="store", id=uuid4()), credits=1, reason="lost")
    async with world.pool.acquire() as connection:
        await unconfirmed_store.insert(connection, order)

    await repeat(world)

    assert await world.pool.fetchval("SELECT resends FROM unconfirmed_messages WHERE subject = $1", order.grant_id) == 1
