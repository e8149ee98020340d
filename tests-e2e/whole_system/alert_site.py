"""A running system with the shipped Prometheus and Alertmanager on it, as fixtures of the one module that breaks it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from atelier_billing.proof.merkle import WIDTH
from atelier_local.api_client.client import Client
from atelier_local.api_client.operations_client import OperationsClient
from atelier_local.launcher.stack import Stack
from atelier_provider_simulator.control import Control
from whole_system.broker import serve_metrics
from whole_system.monitoring import PrometheusServer, free_port, run_alertmanager, run_prometheus
from whole_system.own_stack import own_stack
from whole_system.reconcile_site import Site as Records
from whole_system.waits import NotYet, eventually
from whole_system.webhook_receiver import Receiver, open_receiver
from whole_system.world import World

SERVICES = ("gateway", "session", "billing", "render")
CHECKPOINTS = "/checkpoints"
SETTINGS = {
    "RATE_LIMIT_ENABLED": "false",
    "ATELIER_CONTENT_BANNED_WORDS": "unspeakable",
    "ATELIER_DISPUTES": "review",
    "ATELIER_LOG_VERIFY_EVERY_S": "3",
    "ATELIER_RECONCILE_EVERY_S": "2",
    "ATELIER_RECONCILE_SETTLE_S": "0.5",
    "ATELIER_RENDER_LEASE_S": "3",
    "ATELIER_RENDER_PROVIDER_CALLS": "google=8",
    "ATELIER_SESSION_RESEND_S": "1",
    "ATELIER_TRACE_RATIO": "0.01",
    "ATELIER_WEBHOOK_RETRIES_S": "1,1,1",
}


@dataclass
class AlertSite:
    """The system with all that a cause needs."""

    world: World
    prometheus: PrometheusServer
    receiver: Receiver
    records: Records
    simulator: Control
    client: Client

    @property
    def operator(self) -> OperationsClient:
        return self.records.admin


@pytest.fixture(scope="module")
async def receiver() -> AsyncIterator[Receiver]:
    async with open_receiver() as listening:
        listening.status_of[CHECKPOINTS] = HTTPStatus.INTERNAL_SERVER_ERROR
        yield listening


@pytest.fixture(scope="module")
def stack(receiver: Receiver, providers_url: str) -> Iterator[Stack]:
    outside = {
        "ATELIER_LOG_CHECKPOINT_URL": f"{receiver.url}{CHECKPOINTS}",
        "ATELIER_GOOGLE_API_KEY": Control.google_key,
        "ATELIER_GOOGLE_BASE_URL": providers_url,
    }
    with own_stack("alerts", SETTINGS | outside) as running:
        yield running


@pytest.fixture(scope="module")
async def world(stack: Stack) -> AsyncIterator[World]:
    async with World.of(stack) as opened:
        yield opened


@pytest.fixture(scope="module")
def alertmanager(receiver: Receiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_alertmanager(tmp_path_factory.mktemp("alertmanager"), receiver.url) as address:
        yield address


@pytest.fixture(scope="module")
def broker_metrics() -> int:
    """The port at which the broker's metrics are to be had, once its plugin runs."""
    return free_port()


@pytest.fixture(scope="module")
def prometheus_url(
    stack: Stack, alertmanager: str, broker_metrics: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    broker = f"127.0.0.1:{broker_metrics}"
    targets = {"rabbitmq": broker, "rabbitmq-queues": broker, "otel-collector": f"127.0.0.1:{free_port()}"}
    folder = tmp_path_factory.mktemp("prometheus")
    with run_prometheus(stack.profile, folder, targets, alertmanager) as url:
        yield url


@pytest.fixture(scope="module")
async def prometheus(prometheus_url: str, stack: Stack, broker_metrics: int) -> AsyncIterator[PrometheusServer]:
    """It, once it has asked all that this stack has; the local broker starts without its metrics, which TargetDown
    says."""
    async with PrometheusServer(prometheus_url) as server:
        for service in SERVICES:
            await server.wait_until_scraped(f'up{{job="atelier", service="{service}"}} == 1')
        await server.wait_until_firing("TargetDown", job="rabbitmq")
        await asyncio.to_thread(serve_metrics, stack, broker_metrics)
        yield server


@pytest.fixture(scope="module")
async def site(
    world: World, prometheus: PrometheusServer, receiver: Receiver, providers_url: str
) -> AsyncIterator[AlertSite]:
    known = world.stack.environment()
    made = await world.admin.create_store("Watched boutique")
    await world.admin.grant("store", made.id, 100_000, reason="test")
    async with (
        httpx.AsyncClient(
            base_url=world.url, headers={"X-API-Key": made.api_key}, timeout=60, trust_env=False
        ) as shopper,
        OperationsClient(known["ATELIER_OPERATIONS_URL"], known["ATELIER_ADMIN_TOKEN"]) as operator,
        Client(world.url, made.api_key) as client,
        Control(providers_url) as simulator,
    ):
        await simulator.forget()
        yield AlertSite(world, prometheus, receiver, Records(world, shopper, operator), simulator, client)
        await simulator.forget()


@asynccontextmanager
async def stopped(world: World, part: str) -> AsyncIterator[None]:
    """Without this part, until the block ends."""
    await asyncio.to_thread(world.stack.stop_part, part)
    try:
        yield
    finally:
        await asyncio.to_thread(world.stack.start_part, part)
        await asyncio.to_thread(world.stack.wait_ready, part)


async def generate(
    site: AlertSite, count: int, simulate: str = "outcome=succeed, picture=none", **body: Any
) -> list[str]:
    """So many pictures requested at once; their ids."""
    asked = {"kind": "image", "prompt": "a red bicycle", "size": "256x256"} | body
    headers = {"Prefer": "respond-async"} | ({} if "provider" in body else {"X-Atelier-Simulate": simulate})
    made = await asyncio.gather(*(site.client.create(asked, headers) for _ in range(count)))
    return [each.id for each in made]


async def wait_until_ended(site: AlertSite, *ids: str) -> None:
    """Until each has succeeded or failed."""

    async def have_ended() -> bool | NotYet:
        states = {id: (await site.client.generation(id)).status for id in ids}
        moving = {id: state for id, state in states.items() if state not in ("succeeded", "failed")}
        return NotYet(moving) if moving else True

    await eventually(have_ended, within_s=120)


async def last_signed_leaf(site: AlertSite) -> int:
    """The position of the last entry of a log at rest whose leaf the next checkpoint reads: one below a subtree that is
    complete is read by a verification alone."""
    note = site.world.stack.profile.home / "checkpoint.txt"
    billing = site.world.databases["billing"]

    async def signed_size() -> int | NotYet:
        size = await billing.fetchval("SELECT max(position) + 1 FROM log_entries")
        waiting = await billing.fetchval("SELECT count(*) FROM unlogged_entries")
        signed = int(note.read_text().splitlines()[1]) if note.exists() else 0
        return NotYet((size, waiting, signed)) if waiting or signed != size else signed

    while True:
        await wait_until_ended(site, *await generate(site, 1))
        if (size := await eventually(signed_size)) % WIDTH:
            return size - 1
