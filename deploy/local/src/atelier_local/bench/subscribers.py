"""Subscribers of public events that count what they receive, each a process of its own."""

import asyncio
import json
import statistics
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from atelier_contracts.public_events import subscription_queue
from atelier_local import node_packages
from atelier_local.api_client.client import AdminClient
from atelier_local.errors import StackError
from atelier_local.launcher.profile import REPOSITORY, run_dir
from atelier_messaging import subscriptions as queues

SUBSCRIPTIONS = "/v1/admin/subscriptions"
AIO_PIKA, AMQPLIB = "aio-pika", "amqplib"
"""Clients that the subscriber is written with: Python's, Node's."""
_PROGRAM = REPOSITORY / "deploy/local/subscriber"


@dataclass(frozen=True, slots=True)
class LiveDelivery:
    """Events a second, and milliseconds from happening to receipt, the median."""

    per_second: float
    age_ms: float


@dataclass
class Subscriber:
    """A subscription with a process that counts what it receives."""

    name: str
    process: asyncio.subprocess.Process
    reports: list[dict[str, Any]] = field(default_factory=list)

    @property
    def events(self) -> int:
        """How many have come."""
        return int(self.reports[-1]["events"]) if self.reports else 0

    async def read_reports(self) -> None:
        """Until its process ends."""
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.reports.append(json.loads(line))

    def delivery(self, since: int) -> "LiveDelivery":
        """What came in the reports after so many: events a second, and their median age."""
        fresh = self.reports[since:]
        ages = [report["age_ms"] for report in fresh if report["age_ms"] is not None]
        news = sum(report["news"] for report in fresh)
        from_s = self.reports[since - 1]["last_at"] if since else 0.0
        seconds = fresh[-1]["last_at"] - from_s if fresh else 0.0
        return LiveDelivery(news / seconds if seconds > 0 else 0.0, statistics.median(ages) if ages else 0.0)


def counter_with(client: str) -> tuple[str, ...]:
    """The command that counts what a subscriber receives, written with this client. Raises StackError where Node's
    cannot be installed."""
    if client == AIO_PIKA:
        return sys.executable, "-m", "atelier_local.bench.event_counter"
    home, node = run_dir() / "bench-subscriber", node_packages.find_node()
    reason = node_packages.install(_PROGRAM, home)
    if reason or node is None:
        raise StackError(f"{client} cannot be installed: {reason}")
    return str(node / "bin/node"), str(home / "count.mjs")


@asynccontextmanager
async def subscriber(
    admin: AdminClient, amqp_url: str, counter: Sequence[str], start: dict[str, Any] | None = None
) -> AsyncIterator[Subscriber]:
    """A new subscription of all events and its reader; both are gone after the block."""
    name = f"bench-{uuid4().hex[:8]}"
    await queues.declare_subscription(amqp_url, name)
    await admin.ask("subscribe", "POST", SUBSCRIPTIONS, {"name": name, "events": [], "start": start or {}})
    command = (*counter, amqp_url, subscription_queue(name))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    counting = Subscriber(name, process)
    reading = asyncio.create_task(counting.read_reports())
    try:
        yield counting
    finally:
        process.terminate()
        await process.wait()
        await reading
        await admin.ask("unsubscribe", "DELETE", f"{SUBSCRIPTIONS}/{name}")
        await queues.delete_subscription(amqp_url, name)
