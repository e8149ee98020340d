"""Senders on a database of their own against real receivers: at least once, in order, none delays another."""

import asyncio
from collections.abc import Sequence
from uuid import UUID, uuid4

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from atelier_contracts import Owner
from atelier_gateway.webhooks import delivery_store, dispatcher
from atelier_gateway.webhooks.dispatcher import PER_TARGET

from ..support.webhook_dispatchers import AGAIN, Desk, read_metrics, receiver_with_endpoint, send_until, until
from ..support.webhook_receiver import open_receiver

pytestmark = pytest.mark.stack


async def test_what_fails_is_sent_again_under_the_same_id_until_it_is_taken(desk: Desk, owner: Owner) -> None:
    async with receiver_with_endpoint(desk, owner, "500 Oh", "302 Found\r\nLocation: http://127.0.0.1:9/") as (
        receiver,
        endpoint,
    ):
        [id_] = await desk.note(owner, endpoint)
        before = read_metrics()
        sender = desk.sender()
        for _ in range(3):
            await desk.send_all(sender)
            await desk.pool.execute(AGAIN)
        await desk.send_all(sender)

    delivery = await desk.find_delivery(owner, id_)
    assert [message.id for message in receiver.got] == [str(id_)] * 3
    assert [attempt["status"] for attempt in delivery.attempts] == [500, 302, 204]
    assert (delivery.state, [attempt["number"] for attempt in delivery.attempts]) == ("delivered", [1, 2, 3])
    assert (await desk.find_endpoint(owner, endpoint)).failing_since is None
    assert [now - then for now, then in zip(read_metrics(), before, strict=True)] == [1, 2, 1]


async def test_when_no_try_is_left_it_has_failed_and_a_replay_begins_anew(desk: Desk, owner: Owner) -> None:
    async with receiver_with_endpoint(desk, owner, "500 Oh", "500 Oh") as (receiver, endpoint):
        [id_] = await desk.note(owner, endpoint)
        sender = desk.sender(schedule=(60,))
        await desk.send_all(sender)
        await desk.pool.execute(AGAIN)
        await desk.send_all(sender)
        failed = await desk.find_delivery(owner, id_)
        async with desk.pool.acquire() as connection:
            await delivery_store.replay(connection, owner, id_)
        await desk.send_all(sender)

    assert failed.state == "failed" and len(failed.attempts) == 2
    assert (await desk.find_delivery(owner, id_)).state == "delivered"
    assert {message.id for message in receiver.got} == {str(id_)}


async def test_410_switches_the_endpoint_off_and_ends_what_was_on_its_way(desk: Desk, owner: Owner) -> None:
    async with receiver_with_endpoint(desk, owner, "410 Gone") as (receiver, endpoint):
        about = uuid4()
        ids = [*await desk.note(owner, endpoint, about=about), *await desk.note(owner, endpoint, about=about)]
        await desk.send_all(desk.sender())

    standing = await desk.find_endpoint(owner, endpoint)
    assert len(receiver.got) == 1
    assert standing.disabled_at is not None and standing.disabled_reason == "gone"
    assert {(await desk.find_delivery(owner, id_)).state for id_ in ids} == {"failed"}


async def test_an_endpoint_that_has_taken_nothing_for_days_is_switched_off(desk: Desk, owner: Owner) -> None:
    async with receiver_with_endpoint(desk, owner, "500 Oh", "500 Oh") as (_, endpoint):
        await desk.note(owner, endpoint)
        await desk.send_all(desk.sender())
        assert (await desk.find_endpoint(owner, endpoint)).disabled_at is None
        await desk.pool.execute("UPDATE webhook_endpoints SET failing_since = now() - interval '6 days'")
        await desk.pool.execute(AGAIN)
        await desk.send_all(desk.sender())

    assert (await desk.find_endpoint(owner, endpoint)).disabled_reason == "failing"


async def test_retry_after_is_waited_for(desk: Desk, owner: Owner) -> None:
    async with receiver_with_endpoint(desk, owner, "429 Slow\r\nRetry-After: 3600") as (_, endpoint):
        [id_] = await desk.note(owner, endpoint)
        await desk.send_all(desk.sender(schedule=(1, 1)))

    delivery = await desk.find_delivery(owner, id_)
    waits_s = await desk.pool.fetchval(
        "SELECT extract(epoch FROM next_try_at - now())::int FROM webhook_deliveries WHERE id = $1", id_
    )
    assert delivery.state == "pending" and waits_s > 3_500


async def test_a_receiver_that_does_not_answer_delays_nobody_else(desk: Desk, owner: Owner) -> None:
    async with (
        receiver_with_endpoint(desk, owner) as (slow, slow_endpoint),
        receiver_with_endpoint(desk, owner) as (quick, quick_endpoint),
    ):
        slow.hold()
        await desk.note(owner, slow_endpoint, number=3 * PER_TARGET)
        await desk.note(owner, quick_endpoint, number=2 * PER_TARGET)
        sender = desk.sender()

        await send_until(sender, lambda: len(quick.got) == 2 * PER_TARGET and len(slow.got) == PER_TARGET)
        slow.answering.set()
        await send_until(sender, lambda: len(slow.got) == 3 * PER_TARGET)
        await sender.wait_until_idle()
    assert len(slow.got) == 3 * PER_TARGET and len(quick.got) == 2 * PER_TARGET


async def test_an_owner_with_many_slow_endpoints_leaves_room_for_others(desk: Desk, owner: Owner) -> None:
    other = Owner(kind="user", id=uuid4())
    async with open_receiver() as slow, receiver_with_endpoint(desk, other) as (quick, quick_endpoint):
        slow.hold()
        for _ in range(6):
            await desk.note(owner, await desk.endpoint(slow.url, owner), number=PER_TARGET)
        await desk.note(other, quick_endpoint)
        sender = desk.sender()

        began = await sender.send_due()
        await until(lambda: len(quick.got) == 1)
        slow.answering.set()
        await sender.wait_until_idle()

    assert began == 64 // 4 + 1


async def test_a_crash_after_sending_sends_it_again_under_the_same_id(
    desk: Desk, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "LEAVING_S", 0)
    async with receiver_with_endpoint(desk, owner) as (receiver, endpoint):
        receiver.hold()
        [id_] = await desk.note(owner, endpoint)
        crashed = asyncio.create_task(desk.sender().run())
        await until(lambda: len(receiver.got) == 1)
        crashed.cancel()
        await asyncio.gather(crashed, return_exceptions=True)
        receiver.answering.set()

        await desk.send_all(desk.sender())
        leased = len(receiver.got)
        await desk.pool.execute(AGAIN)
        await desk.send_all(desk.sender())

    assert (leased, [message.id for message in receiver.got]) == (1, [str(id_)] * 2)
    assert (await desk.find_delivery(owner, id_)).state == "delivered"


async def test_who_has_lost_the_lease_changes_nothing_any_more(desk: Desk, owner: Owner) -> None:
    async with receiver_with_endpoint(desk, owner, "500 Oh") as (receiver, endpoint):
        receiver.hold()
        [id_] = await desk.note(owner, endpoint)
        late, quick = desk.sender(), desk.sender()
        await late.send_due()
        await until(lambda: len(receiver.got) == 1)
        await desk.pool.execute(AGAIN)
        await quick.send_due()
        await until(lambda: len(receiver.got) == 2)
        receiver.answering.set()
        await quick.wait_until_idle()
        await late.wait_until_idle()

    delivery = await desk.find_delivery(owner, id_)
    assert delivery.state == "delivered" and len(delivery.attempts) == 2


async def test_two_senders_never_send_the_same_delivery(desk: Desk, owner: Owner) -> None:
    async with open_receiver() as receiver:
        ids: list[UUID] = []
        for _ in range(4):
            ids += await desk.note(owner, await desk.endpoint(receiver.url, owner), number=6)

        await asyncio.gather(*(desk.send_all(desk.sender()) for _ in range(2)))
        await desk.send_all(desk.sender())

    assert sorted(message.id for message in receiver.got) == sorted(map(str, ids))


async def test_an_event_waits_for_the_first_try_of_the_one_before_it_but_not_for_its_retries(
    desk: Desk, owner: Owner
) -> None:
    async with receiver_with_endpoint(desk, owner, "500 Oh") as (receiver, endpoint):
        about = uuid4()
        first, second = *await desk.note(owner, endpoint, about=about), *await desk.note(owner, endpoint, about=about)
        sender = desk.sender()

        assert await sender.send_due() == 1
        await sender.wait_until_idle()
        assert await sender.send_due() == 1
        await sender.wait_until_idle()

    assert [message.id for message in receiver.got] == [str(first), str(second)]
    assert await _states(desk, owner, (first, second)) == ["pending", "delivered"]


async def test_nothing_is_sent_into_our_own_network(desk: Desk, owner: Owner) -> None:
    async with receiver_with_endpoint(desk, owner) as (receiver, endpoint):
        [id_] = await desk.note(owner, endpoint)
        await desk.send_all(desk.sender(loopback=False))

    [attempt] = (await desk.find_delivery(owner, id_)).attempts
    assert receiver.got == []
    assert (attempt["status"], attempt["error"]) == (None, "The URL must use port 80 or 443.")


async def test_no_answer_in_time_is_a_failed_try(desk: Desk, owner: Owner) -> None:
    async with receiver_with_endpoint(desk, owner) as (receiver, endpoint):
        receiver.hold()
        [id_] = await desk.note(owner, endpoint)
        await desk.send_all(desk.sender(timeout_s=0.1))

    [attempt] = (await desk.find_delivery(owner, id_)).attempts
    assert attempt["error"] == "127.0.0.1 did not answer in time."


async def test_each_try_is_a_span_in_the_trace_of_its_generation(
    desk: Desk, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(dispatcher, "_spans", provider.get_tracer("tests"))
    async with receiver_with_endpoint(desk, owner, "500 Oh") as (_, endpoint):
        [id_] = await desk.note(owner, endpoint)
        await desk.pool.execute("UPDATE webhook_deliveries SET traceparent = $1", f"00-{7:032x}-{8:016x}-01")
        await desk.send_all(desk.sender())
        await desk.pool.execute(AGAIN)
        await desk.send_all(desk.sender())

    spans = exporter.get_finished_spans()
    assert [(span.context.trace_id, span.parent.span_id) for span in spans if span.context and span.parent] == [
        (7, 8)
    ] * 2
    assert [(span.attributes or {})["atelier.outcome"] for span in spans] == ["retried", "delivered"]
    assert all((span.attributes or {})["webhook.id"] == str(id_) for span in spans)
    assert not any("canary" in span.to_json() for span in spans)


async def test_of_what_is_over_and_old_nothing_is_kept(
    desk: Desk, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivery_store, "PRUNED_AT_ONCE", 1)
    async with receiver_with_endpoint(desk, owner) as (_, endpoint):
        ids = await desk.note(owner, endpoint, number=4)
        old = [UUID(int=id_.int - (31 * 86_400_000 << 80)) for id_ in ids[:3]]
        for id_, older in zip(ids, old, strict=False):
            await desk.pool.execute("UPDATE webhook_deliveries SET id = $2 WHERE id = $1", id_, older)
        await desk.send_all(desk.sender())
        await delivery_store.replay(desk.pool, owner, old[0])
        await delivery_store.prune(desk.pool, 30)

    assert [await delivery_store.find(desk.pool, owner, id_) is None for id_ in old] == [False, True, True]
    assert (await desk.find_delivery(owner, ids[3])).state == "delivered"


async def test_while_the_database_is_away_the_sender_goes_on_trying(
    desk: Desk, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatcher, "POLL_EVERY_S", 0.01)
    tried = 0

    async def away() -> int:
        nonlocal tried
        tried += 1
        raise ConnectionRefusedError

    sender = desk.sender()
    monkeypatch.setattr(sender, "send_due", away)
    running = asyncio.create_task(sender.run())
    await until(lambda: tried >= 2)
    assert not running.done()
    running.cancel()


async def _states(desk: Desk, owner: Owner, ids: Sequence[UUID]) -> list[str]:
    return [(await desk.find_delivery(owner, id_)).state for id_ in ids]
