"""Causes of alerts that do not stand in each other's way: each makes its alerts fire, goes away, and waits until they
are clear. Most of their time is waiting."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from http import HTTPStatus
from typing import Any

import aio_pika
from aio_pika.abc import AbstractIncomingMessage

from atelier_local.api_client.client import ApiUnreachable, RequestRefused
from whole_system.alert_site import CHECKPOINTS, AlertSite, generate, stopped, wait_until_ended
from whole_system.subscriber import subscription
from whole_system.waits import NotYet, eventually

SLOTS = 8
"""Attempts under way at once, as render does it where nothing is set."""


async def lay_poison(site: AlertSite) -> None:
    """A message that no version can read lies among the dead, until an operator discards it."""
    queue = "billing.commands"
    url = site.world.stack.environment()["ATELIER_AMQP_URL"]
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        await channel.default_exchange.publish(aio_pika.Message(b"{", message_id="poison"), queue)

    await site.prometheus.wait_until_firing("DeadLetters", queue=queue)
    await site.prometheus.wait_until_clear("DeadLetters")
    await site.prometheus.wait_until_firing("DeadLettersWait", queue=f"{queue}.dead")
    path = f"/v1/admin/dead-letters/{queue}"
    frames = [letter["frame"] for letter in (await site.operator.ask("list", "GET", path))["data"]]
    await site.operator.ask("discard", "POST", f"{path}/discard", {"reason": "test", "frames": frames})
    await site.prometheus.wait_until_clear("DeadLettersWait")


async def keep(_: AbstractIncomingMessage) -> None:
    """Takes a message and never confirms it."""


async def keep_events_waiting(site: AlertSite) -> None:
    """Nothing reads a subscription; then a subscriber that takes ten events and no more; then it reads all."""
    async with subscription(site.world) as (queue, address):
        name = queue.removeprefix("subscriptions.")
        await generate(site, 1)
        await site.prometheus.wait_until_firing("SubscriberAway", name=name)
        async with await aio_pika.connect(address) as connection:
            channel = await connection.channel()
            await channel.set_qos(10)
            events = await channel.get_queue(queue)
            tag = await events.consume(keep)
            await site.prometheus.wait_until_clear("SubscriberAway")
            while (await site.prometheus.query(f'atelier_subscription_waiting{{name="{name}"}} > 1000')) == []:
                with suppress(RequestRefused, ApiUnreachable):  # a busy machine takes fewer at once
                    await wait_until_ended(site, *await generate(site, 25))
            await site.prometheus.wait_until_firing("SubscriberLags", name=name)
            await events.cancel(tag)
            await events.purge()
            await site.prometheus.wait_until_clear("SubscriberLags")


async def fail_webhooks(site: AlertSite) -> None:
    """A receiver that answers 500 to all; then it takes one."""
    path = "/hooks"
    site.receiver.status_of[path] = HTTPStatus.INTERNAL_SERVER_ERROR
    await generate(site, 20, webhook_url=f"{site.receiver.url}{path}")
    await site.prometheus.wait_until_firing("WebhooksAllFail")
    await site.prometheus.wait_until_firing("WebhooksGivenUp")

    site.receiver.status_of[path] = HTTPStatus.NO_CONTENT
    await generate(site, 1, webhook_url=f"{site.receiver.url}{path}")
    await site.prometheus.wait_until_clear("WebhooksAllFail")
    await site.prometheus.wait_until_clear("WebhooksGivenUp")


async def lose_answers(site: AlertSite) -> None:
    """A provider takes submissions and never answers; later it does."""
    await site.simulator.plan("google", "lost_response", times=50)
    ids = await generate(site, 8, provider="google", model="imagen", size="1024x1024")
    await site.prometheus.wait_until_firing("UnknownOutcomes", provider="google")
    await site.prometheus.wait_until_firing("ProviderKeepsFailing", provider="google")

    await site.simulator.forget()
    await wait_until_ended(site, *ids)
    await site.prometheus.wait_until_clear("UnknownOutcomes")
    await site.prometheus.wait_until_scraped('atelier_provider_breaker_state{provider="google"} == 1')
    await wait_until_ended(site, *await generate(site, 1, provider="google", model="imagen", size="1024x1024"))
    await site.prometheus.wait_until_clear("ProviderKeepsFailing")


async def open_dispute(site: AlertSite) -> None:
    """A complaint that no rule decides, until an operator does."""
    made = await site.records.generate()
    body = {"reason": "poor_quality", "text": "It has three wheels.", "outputs": [0]}
    opened = (await site.records.shopper.post(f"/v1/generations/{made['id']}/disputes", json=body)).json()
    await site.prometheus.wait_until_firing("DisputesWait")

    await site.operator.decide_dispute(opened["id"], "decline", reason="it has two", credits=None)
    await site.prometheus.wait_until_clear("DisputesWait")


async def alter_projection(site: AlertSite) -> None:
    """A superuser changes what a customer sees of a generation, and changes it back."""
    made = await site.records.generate()
    change = "UPDATE generations SET state = $2 WHERE id = $1"
    await site.records.tamper("gateway", change, made["id"], "failed")
    await site.prometheus.wait_until_firing("RecordsDisagree", kind="projection_differs")

    await site.records.tamper("gateway", change, made["id"], "succeeded")
    await site.prometheus.wait_until_clear("RecordsDisagree")


async def refuse_checkpoints(site: AlertSite) -> None:
    """The address that keeps checkpoints answers 500 since the system was started; then it takes them."""
    store = f"{site.receiver.url}{CHECKPOINTS}"
    await generate(site, 1)
    await site.prometheus.wait_until_firing("CheckpointNotKept", store=store)

    site.receiver.status_of[CHECKPOINTS] = HTTPStatus.NO_CONTENT
    await site.prometheus.wait_until_clear("CheckpointNotKept")


async def age_generation(site: AlertSite) -> None:
    """One that is open, and was requested two hours ago as the session knows it, until it is cancelled."""
    (id,) = await generate(site, 1, "outcome=succeed, delay_ms=300000")
    older = "UPDATE sagas SET created_at = created_at - interval '2 h' WHERE generation_id = $1"
    await site.records.tamper("session", older, id)
    await site.prometheus.wait_until_firing("GenerationsStandStill", record="saga")

    await site.client.ask("cancel", "POST", f"/v1/generations/{id}/cancel")
    await site.prometheus.wait_until_clear("GenerationsStandStill")


async def fill_all_slots(site: AlertSite) -> None:
    """Slow renders take every slot, and one that waits was requested twenty minutes ago; then they are cancelled."""
    busy = await generate(site, SLOTS, "outcome=succeed, delay_ms=300000")
    (waiting,) = await generate(site, 1, "outcome=succeed, delay_ms=100")
    older = "UPDATE jobs SET created_at = created_at - interval '20 min' WHERE generation_id = $1 AND state = 'queued'"
    await site.records.tamper("render", older, waiting)
    await site.prometheus.wait_until_firing("RendersWait")

    for id in busy:
        await site.client.ask("cancel", "POST", f"/v1/generations/{id}/cancel")
    await wait_until_ended(site, waiting)
    await site.prometheus.wait_until_clear("RendersWait")


async def leave_without_database(site: AlertSite) -> None:
    """A client hangs up while no database is there for half a minute, so its cancel is not written."""
    asked = {"kind": "image", "prompt": "a lake", "size": "256x256"}
    headers = {"X-Atelier-Simulate": "outcome=succeed, delay_ms=60000", "Prefer": "wait=50"}
    client = asyncio.create_task(site.records.shopper.post("/v1/generations", json=asked, headers=headers))
    running = "SELECT generation_id FROM jobs WHERE state = 'running' ORDER BY generation_id DESC LIMIT 1"

    async def is_running() -> str | NotYet:
        id = await site.world.databases["render"].fetchval(running)
        return str(id) if id else NotYet(id)

    id = await eventually(is_running)
    async with stopped(site.world, "postgres"):
        client.cancel()
        await site.prometheus.wait_until_firing("CancelsLost")
    await wait_until_ended(site, id)
    await site.prometheus.wait_until_clear("CancelsLost")


CAUSES: dict[str, Callable[[AlertSite], Coroutine[Any, Any, None]]] = {
    cause.__name__: cause
    for cause in (
        lay_poison, keep_events_waiting, fail_webhooks, lose_answers, open_dispute, alter_projection,
        refuse_checkpoints, age_generation,
    )
}  # fmt: skip
"""Those that do not stand in each other's way; most of their time is waiting."""
ALONE: dict[str, Callable[[AlertSite], Coroutine[Any, Any, None]]] = {
    cause.__name__: cause for cause in (fill_all_slots, leave_without_database)
}
"""Those that leave no slot, or no database, for others."""
