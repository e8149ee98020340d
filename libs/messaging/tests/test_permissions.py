"""The broker trusts no service: each publishes and consumes its own messages alone, and declares nothing."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import aio_pika
import pytest
from aio_pika.abc import AbstractChannel
from aio_pika.exceptions import AMQPError, ChannelPreconditionFailed
from aiormq.exceptions import ChannelAccessRefused
from pydantic import SecretStr

from atelier_contracts import CancelRequested, Envelope, GenerationRequested, RefundCredit, wrap
from atelier_contracts.message import REGISTRY
from atelier_contracts.routes import BILLING_COMMANDS, EXCHANGE, ROUTES, SERVICES, owner_of, reply_key, senders_of
from atelier_messaging import BrokerSettings, Bus, Poison, Transient, database, topology
from atelier_messaging.database import Pool
from atelier_messaging.dead_letters import discard, list_dead, redrive
from atelier_messaging.senders import OPERATOR, SENDER_HEADER
from atelier_messaging.testing import becomes

from .server import Recorder

pytestmark = pytest.mark.stack
Urls = Mapping[str, str]


@pytest.fixture(scope="module")
def urls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Urls]:
    """The address of a broker of the launcher's for each of its users."""
    from atelier_local.launcher.rabbitmq import amqp_url
    from atelier_local.launcher.stack import Stack

    with Stack("users", root=tmp_path_factory.mktemp("users"), only=["rabbitmq"]) as stack:
        yield {user: amqp_url(stack.profile, user) for user in (OPERATOR, *SERVICES)}


@dataclass
class As:
    """A connection as one of the users; each act on a channel of its own, for a refusal closes it."""

    user: str
    connection: aio_pika.abc.AbstractConnection

    async def channel(self) -> AbstractChannel:
        return await self.connection.channel(publisher_confirms=True, on_return_raises=True)

    async def publish(self, envelope: Envelope, key: str, exchange: str = EXCHANGE, **properties: Any) -> None:
        """Publishes it as this user, or as another with ``user_id``."""
        headers = {**envelope.headers, **properties.pop("headers", {})}
        properties.setdefault("user_id", self.user)
        message = aio_pika.Message(envelope.body.encode(), headers=headers, message_id=str(envelope.id), **properties)
        channel = await self.channel()
        place = await channel.get_exchange(exchange, ensure=False) if exchange else channel.default_exchange
        await place.publish(message, key, mandatory=True, timeout=10)


@pytest.fixture
async def users(urls: Urls) -> AsyncIterator[Mapping[str, As]]:
    """A connection for each."""
    made = {user: As(user, await aio_pika.connect(url)) for user, url in urls.items()}
    yield made
    for user in made.values():
        await user.connection.close()
    async with await aio_pika.connect(urls[OPERATOR]) as connection:
        channel = await connection.channel()
        for queue in ROUTES:
            for name in (queue, topology.dead_queue(queue)):
                await (await channel.get_queue(name)).purge()


@pytest.fixture
async def billing(urls: Urls, pool: Pool, users: Mapping[str, As]) -> AsyncIterator[Recorder]:
    """Billing, with a handler that only notes what it was given."""
    handler = Recorder()
    bus = Bus("billing", BrokerSettings(amqp_url=SecretStr(urls["billing"])), pool)
    bus.consume(BILLING_COMMANDS, handler)
    await bus.start()
    yield handler
    await bus.stop()


def refund() -> Envelope:
    """A command to billing, as the session would give it."""
    return wrap(RefundCredit(generation_id=uuid4()), source="atelier/session")


@pytest.mark.parametrize("service", SERVICES)
async def test_no_service_publishes_what_is_anothers_to_say(users: Mapping[str, As], service: str) -> None:
    forbidden = [name for name, kind in REGISTRY.items() if service not in senders_of(kind)]

    for name in forbidden:
        with pytest.raises(ChannelAccessRefused):
            await users[service].publish(refund(), name)

    assert len(forbidden) >= 10


@pytest.mark.parametrize("service", SERVICES)
async def test_every_service_publishes_what_is_its_own_to_say(users: Mapping[str, As], service: str) -> None:
    own = [name for name, kind in REGISTRY.items() if service in senders_of(kind)]

    for name in own:
        await users[service].publish(refund(), name, headers={"CC": [reply_key(uuid4().hex)]})

    assert own


@pytest.mark.parametrize("service", SERVICES)
async def test_no_service_taps_the_bus_or_opens_anothers_queue(users: Mapping[str, As], service: str) -> None:
    mine = reply_key(uuid4().hex)
    attempts: list[Callable[[AbstractChannel], Any]] = [
        lambda channel: channel.declare_queue("tap"),
        lambda channel: channel.declare_queue(""),
        lambda channel: _bind(channel, "session.saga", "#"),
        lambda channel: channel.queue_delete("billing.commands"),
        lambda channel: channel.exchange_delete(EXCHANGE),
        lambda channel: channel.default_exchange.publish(aio_pika.Message(b""), "billing.commands"),
        *(
            lambda channel, queue=queue: _get(channel, queue)
            for queue in [*ROUTES, *map(topology.dead_queue, ROUTES)]
            if owner_of(queue) != service
        ),
    ]
    if service == "gateway":
        attempts.append(lambda channel: _bind(channel, mine, "#", declare=True))
    else:
        attempts.append(lambda channel: channel.declare_queue(mine, exclusive=True))

    for attempt in attempts:
        with pytest.raises(ChannelAccessRefused):
            await attempt(await users[service].channel())


async def test_the_gateway_binds_a_queue_of_its_own_to_its_replies(users: Mapping[str, As]) -> None:
    key = reply_key(uuid4().hex)

    await _bind(await users["gateway"].channel(), f"{key}.1", key, declare=True)


async def test_a_user_cannot_pass_for_another(users: Mapping[str, As]) -> None:
    with pytest.raises((ChannelPreconditionFailed, AMQPError)):
        await users["render"].publish(refund(), "render.render_started.v1", user_id="session")


async def test_a_command_that_reaches_billing_from_render_is_a_dead_letter_with_that_reason(
    users: Mapping[str, As], billing: Recorder, urls: Urls, pool: Pool
) -> None:
    by_copy, by_retry, by_nobody, good = refund(), refund(), refund(), refund()

    # An extra routing key (a newer broker refuses it), the retry ladder with a header that lies, no user at all.
    try:
        await users["render"].publish(by_copy, "render.render_started.v1", headers={"CC": ["billing.refund_credit.v1"]})
        forged = {by_copy.id, by_retry.id}
    except ChannelAccessRefused:
        forged = {by_retry.id}
    lie = {SENDER_HEADER: "session"}
    await users["render"].publish(by_retry, BILLING_COMMANDS, topology.retry_exchange(0), headers=lie)
    await users["session"].publish(by_nobody, "billing.refund_credit.v1", user_id=None)
    await users["session"].publish(good, "billing.refund_credit.v1")

    reasons = {str(id): "the broker user 'render' may not send billing.refund_credit.v1" for id in forged}
    reasons[str(by_nobody.id)] = "no broker user vouches for this billing.refund_credit.v1"
    await becomes(reasons, lambda: _reasons(urls))
    await becomes([good.id], lambda: _effects(pool))


async def test_the_retry_ladder_and_a_redrive_keep_who_sent_a_message_first(
    users: Mapping[str, As], billing: Recorder, urls: Urls, pool: Pool
) -> None:
    later, poison = refund(), refund()
    billing.failing = {later.id: Transient("not now"), poison.id: Poison("never")}
    await users["session"].publish(later, "billing.refund_credit.v1")
    await users["session"].publish(poison, "billing.refund_credit.v1")
    await becomes({str(poison.id): "Poison: never"}, lambda: _reasons(urls))
    await becomes(True, billing.has_tried(later, 1))

    billing.failing.clear()
    assert await redrive(urls[OPERATOR], BILLING_COMMANDS) == 1

    await becomes({later.id, poison.id}, lambda: _effects_set(pool))
    assert await _reasons(urls) == {}


async def test_a_forgery_that_is_sent_again_is_refused_again_unless_the_operator_vouches_for_it(
    users: Mapping[str, As], billing: Recorder, urls: Urls, pool: Pool
) -> None:
    forged = refund()
    await users["render"].publish(forged, BILLING_COMMANDS, topology.retry_exchange(0))
    refused = {str(forged.id): "the broker user 'render' may not send billing.refund_credit.v1"}
    await becomes(refused, lambda: _reasons(urls))

    await redrive(urls[OPERATOR], BILLING_COMMANDS)
    await becomes(refused, lambda: _reasons(urls))
    assert await _effects(pool) == []

    await redrive(urls[OPERATOR], BILLING_COMMANDS, vouch=True)
    await becomes([forged.id], lambda: _effects(pool))


async def test_a_service_redrives_and_discards_its_own_dead_letters_and_reads_no_others(
    users: Mapping[str, As], billing: Recorder, urls: Urls, pool: Pool
) -> None:
    mended, forged, hopeless = refund(), refund(), refund()
    billing.failing = {mended.id: Poison("never"), hopeless.id: Poison("never")}
    for poison in (mended, hopeless):
        await users["session"].publish(poison, "billing.refund_credit.v1")
    await users["render"].publish(forged, BILLING_COMMANDS, topology.retry_exchange(0))
    refusal = "the broker user 'render' may not send billing.refund_credit.v1"
    told = {str(mended.id): "Poison: never", str(hopeless.id): "Poison: never", str(forged.id): refusal}
    await becomes(told, lambda: _reasons(urls))
    frames = {letter.message_id: letter.frame for letter in await list_dead(urls["billing"], BILLING_COMMANDS)}
    billing.failing.clear()

    again = [frames[str(mended.id)], frames[str(forged.id)]]
    assert await redrive(urls["billing"], BILLING_COMMANDS, frames=again, role="billing") == 2
    assert await discard(urls["billing"], BILLING_COMMANDS, [frames[str(hopeless.id)]]) == 1

    await becomes([mended.id], lambda: _effects(pool))
    await becomes({str(forged.id): refusal}, lambda: _reasons(urls))
    with pytest.raises((ChannelAccessRefused, AMQPError)):
        await list_dead(urls["render"], BILLING_COMMANDS)


async def test_a_forged_reply_is_not_heard(users: Mapping[str, As], urls: Urls, pool: Pool) -> None:
    heard: asyncio.Queue[Envelope] = asyncio.Queue()
    key, gateway = reply_key(uuid4().hex), Bus("gateway", BrokerSettings(amqp_url=SecretStr(urls["gateway"])), pool)
    gateway.consume_replies(key, heard.put)
    await gateway.start()
    forged = wrap(CancelRequested(generation_id=uuid4()), source="atelier/gateway")
    true = wrap(CancelRequested(generation_id=uuid4()), source="atelier/gateway")

    await users["render"].publish(forged, key)
    await users["gateway"].publish(true, key)

    assert (await asyncio.wait_for(heard.get(), 60)).id == true.id
    await gateway.stop()


async def test_a_service_does_not_send_by_mistake_what_is_not_its_own(
    urls: Urls, pool: Pool, users: Mapping[str, As]
) -> None:
    service = Bus("render", BrokerSettings(amqp_url=SecretStr(urls["render"])), pool)

    with pytest.raises(AssertionError, match=r"render may not send billing\.refund_credit\.v1"):
        async with service.unit.once() as tx:
            tx.emit(refund().message)


async def test_a_stack_is_refused_the_database_of_another(urls: Urls, pool: Pool) -> None:
    await database.claim_database(pool, "the-first")
    service = Bus("billing", BrokerSettings(amqp_url=SecretStr(urls["billing"]), installation="the-second"), pool)

    with pytest.raises(database.OtherInstallation, match=r"belongs to another installation of Atelier \(the-first\)"):
        await service.start()

    await database.claim_database(pool, "the-first")


async def test_a_stack_is_refused_the_virtual_host_of_another(urls: Urls, pool: Pool) -> None:
    other = BrokerSettings(amqp_url=SecretStr(urls["billing"]), installation="another")
    service = Bus("billing", other, pool)

    with pytest.raises(topology.OtherTopology, match="virtual host belongs to another installation"):
        await service.start()
    with pytest.raises(topology.OtherTopology, match="virtual host belongs to another installation"):
        await topology.declare_at(urls[OPERATOR], "another")
    await service.stop()


def test_a_request_is_the_gateways_word() -> None:
    assert senders_of(GenerationRequested) == ("gateway",)


async def _bind(channel: AbstractChannel, queue: str, key: str, *, declare: bool = False) -> None:
    if declare:
        await channel.declare_queue(queue, exclusive=True)
    found = await channel.get_queue(queue, ensure=False)
    await found.bind(EXCHANGE, routing_key=key)


async def _get(channel: AbstractChannel, queue: str) -> None:
    await (await channel.get_queue(queue, ensure=False)).get(fail=False)


async def _reasons(urls: Urls) -> dict[str, str]:
    return {dead.message_id: dead.reason for dead in await list_dead(urls[OPERATOR], BILLING_COMMANDS)}


async def _effects(pool: Pool) -> list[Any]:
    return [row["message_id"] for row in await pool.fetch("SELECT message_id FROM effects ORDER BY position")]


async def _effects_set(pool: Pool) -> set[Any]:
    return set(await _effects(pool))
