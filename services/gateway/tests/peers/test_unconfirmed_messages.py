"""What was answered with 202 happens although the broker was wiped: it is sent again until it has had its effect."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from atelier_contracts import (
    CancelRequested,
    CapSet,
    CreditGranted,
    GenerationDeleted,
    GrantCredit,
    Message,
    Owner,
    ReturnCredit,
    SetCap,
    TakeBackCredit,
)
from atelier_contracts.routes import BILLING_CAPS, BILLING_COMMANDS, BILLING_CORRECTIONS, RENDER_COMMANDS, SESSION_SAGA
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.peers.message_repeater import MessageRepeater

from ..support import native
from ..support.neighbours import ignore
from ..support.wiping import wiped
from ..support.world import ADMIN, World

pytestmark = pytest.mark.stack
AFTER_S = 60.0
Order = Callable[[World, UUID], Awaitable[httpx.Response]]


async def grant(world: World, store: UUID) -> httpx.Response:
    body = {"owner": {"kind": "store", "id": str(store)}, "credits": 50, "reason": "monthly"}
    return await world.client.post("/v1/admin/credits/grants", headers=ADMIN, json=body)


async def take_back(world: World, store: UUID) -> httpx.Response:
    body = {"owner": {"kind": "store", "id": str(store)}, "credits": 5, "reason": "granted twice"}
    return await world.client.post("/v1/admin/credits/take-backs", headers=ADMIN, json=body)


async def give_back(world: World, _: UUID) -> httpx.Response:
    generation = uuid4()
    world.neighbours.records[f"holds/{generation}"] = {"state": "captured", "captured": 4}
    body = {"generation_id": str(generation), "reason": "the picture is broken"}
    return await world.client.post("/v1/admin/credits/returns", headers=ADMIN, json=body)


async def cap(world: World, store: UUID, credits: int = 100) -> httpx.Response:
    path = f"/v1/admin/caps/store/{store}/store/{store}/day"
    return await world.client.put(path, headers=ADMIN, json={"credits": credits})


def heard(world: World, kind: type[Message]) -> list[Any]:
    return [envelope.message for envelope in world.neighbours.heard if isinstance(envelope.message, kind)]


async def repeat(world: World) -> None:
    """A minute later, as long as it takes to be due."""
    await world.pool.execute("UPDATE unconfirmed_messages SET sent_at = sent_at - interval '1 hour'")
    await MessageRepeater(world.container.bus, after_s=AFTER_S).repeat()


async def count_open(world: World) -> int:
    return int(await world.pool.fetchval("SELECT count(*) FROM unconfirmed_messages WHERE confirmed_at IS NULL"))


async def none_is_open(world: World) -> bool:
    return await count_open(world) == 0


async def facts_about(world: World, subject: UUID) -> list[str]:
    rows = await world.pool.fetch("SELECT type FROM public_events WHERE subject = $1 ORDER BY position", subject)
    return [row["type"] for row in rows]


ORDERS = {
    "grant": (grant, GrantCredit, BILLING_COMMANDS),
    "take back": (take_back, TakeBackCredit, BILLING_CORRECTIONS),
    "return": (give_back, ReturnCredit, BILLING_CORRECTIONS),
    "cap": (cap, SetCap, BILLING_CAPS),
}


@pytest.mark.parametrize(("order", "kind", "queue"), ORDERS.values(), ids=ORDERS)
async def test_an_operators_order_that_was_lost_with_the_broker_is_sent_again_until_billing_has_answered(
    world: World, order: Order, kind: type[Message], queue: str
) -> None:
    store, _ = await world.store()
    async with wiped(world, queue):
        answer = await order(world, store)
    lost = heard(world, kind)

    await repeat(world)
    await world.until(lambda: none_is_open(world))
    await repeat(world)

    assert (answer.status_code, lost) == (202, [])
    assert {str(each.subject) for each in heard(world, kind)} == {answer.json()["id"]}
    # Not how often it was heard: a publish whose confirm is late is repeated, too.
    assert await world.pool.fetchval("SELECT array_agg(resends) FROM unconfirmed_messages") == [1]


@pytest.mark.usefixtures("short_waits")
@pytest.mark.parametrize(
    ("order", "told"),
    [(grant, "credits.granted.v1"), (take_back, "credits.corrected.v1"), (give_back, "credits.corrected.v1")],
)
async def test_where_billings_answer_was_lost_its_next_one_is_announced_once(
    world: World, monkeypatch: pytest.MonkeyPatch, order: Order, told: str
) -> None:
    store, _ = await world.store()
    neighbours = world.neighbours
    with monkeypatch.context() as patch:
        patch.setattr(neighbours, "say", lose)
        answer = await order(world, store)
    subject = UUID(answer.json()["id"])
    silent = await facts_about(world, subject)

    await repeat(world)
    await world.until(lambda: none_is_open(world))
    for envelope in list(neighbours.heard):
        await neighbours.act(envelope)  # as if the order had been repeated once more
    await wait_until_all_projected(world)

    assert (answer.status_code, silent) == (202, [])
    assert await facts_about(world, subject) == [told]


async def lose(_: Message, cc: tuple[str, ...] = ()) -> None:
    """As a wiped broker does."""


async def wait_until_all_projected(world: World) -> None:
    """Until what was sent after all others has arrived."""
    last = CreditGranted(grant_id=uuid4(), owner=Owner(kind="store", id=uuid4()), credits=1, available=1)
    await world.neighbours.say(last)

    async def is_projected() -> bool:
        return await facts_about(world, last.grant_id) != []

    await world.until(is_projected)


async def test_of_a_cap_the_latest_order_is_repeated_and_no_earlier_answer_settles_it(world: World) -> None:
    store, _ = await world.store()
    async with wiped(world, BILLING_CAPS):
        await cap(world, store, 100)
        latest = await cap(world, store, 200)
    earlier = datetime(2026, 1, 1, tzinfo=UTC)
    await world.neighbours.say(CapSet(cap_id=UUID(latest.json()["id"]), ordered_at=earlier))
    await wait_until_all_projected(world)

    await repeat(world)
    await world.until(lambda: none_is_open(world))

    assert [command.credits for command in heard(world, SetCap)] == [200]


@pytest.mark.usefixtures("short_waits")
async def test_what_billing_does_not_answer_is_sent_less_and_less_often(world: World) -> None:
    store, _ = await world.store()
    world.neighbours.grants_answered = False
    await grant(world, store)

    sent = []
    for minutes in (1.1, 1.1, 1.1, 4.1):
        ago = "UPDATE unconfirmed_messages SET sent_at = sent_at - make_interval(secs => $1)"
        await world.pool.execute(ago, minutes * AFTER_S)
        await MessageRepeater(world.container.bus, after_s=AFTER_S).repeat()
        sent.append(await world.pool.fetchval("SELECT resends FROM unconfirmed_messages"))

    # Due again after one minute, then after two (the third is late), then after four.
    assert sent == [1, 1, 2, 3]


async def test_a_cancel_that_was_lost_is_sent_again_until_its_generation_has_ended(world: World) -> None:
    _, headers = await world.store()
    generation = await native.create(world, headers)
    async with wiped(world, SESSION_SAGA):
        await native.cancel(world, headers, generation)

    await repeat(world)
    await native.wait_until_status(world, headers, generation, "cancelled")
    await repeat(world)

    assert len(heard(world, CancelRequested)) == 1
    assert await world.pool.fetchval("SELECT count(*) FROM unconfirmed_messages") == 0


async def test_a_cancel_that_came_too_late_is_not_repeated_for_ever(world: World) -> None:
    _, headers = await world.store()
    generation = await native.create(world, headers)
    world.neighbours.stop = ignore
    await native.cancel(world, headers, generation)
    await native.fail(world, headers, generation)

    await repeat(world)

    assert len(heard(world, CancelRequested)) == 1
    assert await world.pool.fetchval("SELECT count(*) FROM unconfirmed_messages") == 0


async def test_a_deletion_is_sent_six_times_in_all(world: World) -> None:
    _, headers = await world.store()
    generation = await native.create(world, headers)
    await native.fail(world, headers, generation)
    async with wiped(world, RENDER_COMMANDS), wiped(world, SESSION_SAGA):
        await world.client.delete(f"/v1/generations/{generation}", headers=headers)

    for _ in range(7):
        await repeat(world)

    async def are_heard() -> bool:
        return len(heard(world, GenerationDeleted)) >= 10

    await world.until(are_heard)
    # By session and render; the first of the six was lost.
    assert [each.generation_id for each in heard(world, GenerationDeleted)] == [generation] * 10
    assert await world.pool.fetchval("SELECT count(*) FROM unconfirmed_messages") == 0


async def test_what_was_confirmed_long_ago_is_forgotten_and_what_is_open_never(world: World) -> None:
    store, _ = await world.store()
    for _ in range(3):
        await grant(world, store)
    await world.until(lambda: none_is_open(world))
    age = "UPDATE unconfirmed_messages SET confirmed_at = now() - make_interval(days => $2) WHERE subject = $1"
    rows = await world.pool.fetch(
        "UPDATE unconfirmed_messages SET ordered_at = ordered_at - interval '1 year' RETURNING *"
    )
    for row, days in zip(rows, (29, 31, None), strict=True):
        await world.pool.execute(age, row["subject"], days)

    await unconfirmed_store.prune(world.pool)

    kept = await world.pool.fetch("SELECT confirmed_at IS NULL AS is_open FROM unconfirmed_messages ORDER BY 1")
    assert [row["is_open"] for row in kept] == [False, True]
