"""The shipped alerts on a running system: each fires by its real cause and is clear when the cause is gone. The system
is this file's own: here books are broken, and each part is stopped."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

import aio_pika
import pytest
from exported_metrics import load_expressions, load_rules

from atelier_contracts.routes import EXCHANGE, ROUTES
from atelier_local.api_client.client import Client, RequestRefused
from atelier_local.launcher import rabbitmq
from whole_system import alert_causes
from whole_system.alert_causes import ALONE, CAUSES
from whole_system.alert_site import AlertSite, generate, last_signed_leaf, stopped, wait_until_ended
from whole_system.alert_site import alertmanager as alertmanager
from whole_system.alert_site import broker_metrics as broker_metrics
from whole_system.alert_site import prometheus as prometheus
from whole_system.alert_site import prometheus_url as prometheus_url
from whole_system.alert_site import receiver as receiver
from whole_system.alert_site import site as site
from whole_system.alert_site import stack as stack
from whole_system.alert_site import world as world
from whole_system.broker import rabbitmqctl
from whole_system.monitoring import PrometheusServer, read_alertmanager
from whole_system.waits import NotYet, eventually
from whole_system.world import IMAGES

pytestmark = pytest.mark.timeout(500)

ALL = "ATELIER_ALERTS_ALL" in os.environ
in_explore = pytest.mark.skipif(not ALL, reason="minutes: make explore")
LONG_CAUSES = {"keep_events_waiting", "lay_poison", "lose_answers", "open_dispute"}

NOT_CAUSED = {
    "DeliveriesLost": "needs half a minute without the gateway's database in the moment in which an output was sent",
    "LogNotVerified": "the threshold is three days",
    "ModelEndsSoon": "the cause is the calendar",
}
"""Alerts that no cause brings within seconds; their cases of promtool stay."""
EMPTY = {
    "atelier_eta_p90_total": "an estimate needs renders of its kind that were measured before",
    "atelier_eta_ratio": "an estimate needs renders of its kind that were measured before",
    "atelier_projection_healed_total": "no event is lost here",
    "atelier_provider_cost_micros_total": "no prices of providers are declared here",
    "atelier_provider_exposed_submissions": "no prices of providers are declared here",
    "atelier_provider_exposure_micros": "no prices of providers are declared here",
    "atelier_provider_failovers_total": "one provider has a key here",
    "atelier_provider_reconciling": "the provider here cannot be asked what became of a submission",
    "atelier_render_unmarked_total": "every output can be marked here",
    "atelier_saga_lost_races_total": "no message comes too late for certain",
}
"""What panels may show nothing of on this system."""


@pytest.fixture(autouse=True)
async def books_balance() -> None:
    """Here they do not."""


@pytest.fixture(scope="module")
async def under_way(site: AlertSite, request: pytest.FixtureRequest) -> AsyncIterator[dict[str, "asyncio.Task[None]"]]:
    """All causes that were selected, at once."""
    selected = CAUSES.keys() & {
        item.callspec.params["cause"] for item in request.session.items if hasattr(item, "callspec") and
        "cause" in item.callspec.params and item.path == Path(__file__)
    }  # fmt: skip
    tasks = {name: asyncio.create_task(CAUSES[name](site)) for name in selected if ALL or name not in LONG_CAUSES}
    yield tasks
    for task in tasks.values():
        task.cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)


async def test_the_broker_s_targets_are_down_until_it_serves_metrics(prometheus: PrometheusServer) -> None:
    await prometheus.wait_until_clear("TargetDown", job="rabbitmq")
    await prometheus.wait_until_clear("TargetDown", job="rabbitmq-queues")

    await prometheus.wait_until_firing("TargetDown", job="otel-collector")  # this stack has none


@pytest.mark.parametrize(
    "cause", [pytest.param(name, marks=in_explore if name in LONG_CAUSES else ()) for name in CAUSES]
)
async def test_an_alert_fires_by_its_cause_and_is_clear_without_it(
    under_way: dict[str, "asyncio.Task[None]"], cause: str
) -> None:
    await under_way[cause]


async def test_without_billing_it_is_down_and_captures_wait_and_a_page_says_so_with_its_runbook(
    site: AlertSite,
) -> None:
    (id,) = await generate(site, 1, "outcome=succeed, delay_ms=4000")
    async with stopped(site.world, "billing"):
        alert = await site.prometheus.wait_until_firing("ServiceDown", service="billing")
        await site.prometheus.wait_until_firing("SettlementsUnanswered", state="capturing")

        async def page() -> dict[str, Any] | NotYet:
            sent = [alert for message in site.receiver.documents_at("/page") for alert in message["alerts"]]
            found = [each for each in sent if each["labels"].get("service") == "billing"]
            return found[0] if found else NotYet(sent)

        paged = await eventually(page)
        # So long without billing that the deadline is over: a superuser dates it back.
        older = "UPDATE sagas SET deadline_at = now() - interval '11 min' WHERE generation_id = $1"
        await site.records.tamper("session", older, id)
        await site.prometheus.wait_until_firing("HoldsPastDeadline")
    await site.prometheus.wait_until_clear("ServiceDown")
    await site.prometheus.wait_until_clear("SettlementsUnanswered")
    await site.prometheus.wait_until_clear("HoldsPastDeadline")
    await wait_until_ended(site, id)

    assert alert.annotations["summary"] == "billing does not answer its metrics scrape."
    assert (paged["status"], paged["labels"]["alertname"]) == ("firing", "ServiceDown")
    assert paged["annotations"]["runbook"] == "docs/operations/runbooks.md#servicedown"


@in_explore
async def test_without_render_its_queue_is_not_read(site: AlertSite) -> None:
    async with stopped(site.world, "render"):
        ids = await generate(site, 3)
        await site.prometheus.wait_until_firing("QueueNotRead", queue="render.commands")
    await site.prometheus.wait_until_clear("QueueNotRead")
    await site.prometheus.wait_until_clear("ServiceDown")
    await wait_until_ended(site, *ids)


@in_explore
async def test_workers_that_die_need_a_ticket_and_none_while_the_service_is_down(
    site: AlertSite, alertmanager: str
) -> None:
    await site.prometheus.use_rules(minute_s=2.0)  # so that both are true for a while
    ids = await generate(site, 6, "outcome=succeed, delay_ms=6000")

    async def are_running() -> bool | NotYet:
        count = "SELECT count(*) FROM jobs WHERE state = 'running'"
        running = await site.world.databases["render"].fetchval(count)
        return True if running >= 6 else NotYet(running)

    await eventually(are_running)
    await site.world.kill("render")
    await site.prometheus.wait_until_firing("RenderWorkersDie", service="render")

    async def states() -> list[str]:
        found = await read_alertmanager(alertmanager)
        return [alert["status"]["state"] for alert in found if alert["labels"]["alertname"] == "RenderWorkersDie"]

    async def is_told() -> bool | NotYet:
        found = await states()
        return True if found == ["active"] else NotYet(found)

    async def is_inhibited() -> bool | NotYet:
        found = await states()
        return True if found == ["suppressed"] else NotYet(found)

    await eventually(is_told)
    async with stopped(site.world, "render"):
        await site.prometheus.wait_until_firing("ServiceDown", service="render")
        await eventually(is_inhibited)
    await site.prometheus.use_rules(minute_s=0.5)
    await site.prometheus.wait_until_clear("RenderWorkersDie")
    await wait_until_ended(site, *ids)
    sent = [each for message in site.receiver.documents_at("/ticket") for each in message["alerts"]]
    assert "RenderWorkersDie" in {each["labels"]["alertname"] for each in sent}


async def test_a_message_without_a_queue_is_unroutable_until_its_binding_is_back(site: AlertSite) -> None:
    queue, profile = "render.commands", site.world.stack.profile
    async with await aio_pika.connect(rabbitmq.amqp_url(profile)) as connection:
        channel = await connection.channel()
        commands = await channel.get_queue(queue)
        for message in ROUTES[queue]:
            await commands.unbind(EXCHANGE, message.name)
    ids = await generate(site, 2)
    await site.prometheus.wait_until_firing("UnroutableMessages", service="session")

    await rabbitmq.declare(rabbitmq.amqp_url(profile), profile)
    await wait_until_ended(site, *ids)
    await site.prometheus.wait_until_clear("UnroutableMessages")
    await site.prometheus.wait_until_clear("OutboxNotDraining")


@in_explore
async def test_a_broker_without_room_is_blocked_and_creates_are_server_errors(site: AlertSite) -> None:
    await asyncio.to_thread(rabbitmqctl, site.world.stack, "set_disk_free_limit", "900000GB")
    try:
        await site.prometheus.wait_until_firing("BrokerBlocked")

        async def is_refused() -> None:
            with suppress(RequestRefused):
                await site.client.try_on(IMAGES, simulate="outcome=succeed")

        await asyncio.gather(*(is_refused() for _ in range(8)))
        await site.prometheus.wait_until_firing("ServerErrors", surface="b2b")
    finally:
        await asyncio.to_thread(rabbitmqctl, site.world.stack, "set_disk_free_limit", "200MB")
    await site.prometheus.wait_until_clear("BrokerBlocked")
    await site.prometheus.wait_until_clear("ServerErrors")


@in_explore
@pytest.mark.parametrize("cause", ["fill_all_slots", "leave_without_database"])
async def test_an_alert_fires_by_a_cause_that_needs_the_system_for_itself(site: AlertSite, cause: str) -> None:
    await ALONE[cause](site)


@in_explore
async def test_without_its_object_store_a_service_says_which_part_is_away(site: AlertSite) -> None:
    async with stopped(site.world, "objectstore"):
        for service in ("gateway", "render"):
            await site.prometheus.wait_until_firing("PartAway", service=service, part="storage")
    await site.prometheus.wait_until_clear("PartAway")


async def test_a_log_that_was_changed_contradicts_its_checkpoint_and_fails_its_verification(site: AlertSite) -> None:
    last = await last_signed_leaf(site)
    known = await site.world.databases["billing"].fetchval(
        "SELECT leaf_hash FROM log_entries WHERE position = $1", last
    )
    change = "UPDATE log_entries SET leaf_hash = $2 WHERE position = $1"
    await site.records.tamper("billing", change, last, bytes(len(known)))
    await site.prometheus.wait_until_firing("LogContradicted")
    await site.prometheus.wait_until_firing("LogVerificationFailed")

    await site.records.tamper("billing", change, last, known)
    await site.prometheus.wait_until_clear("LogContradicted")
    await site.prometheus.wait_until_clear("LogVerificationFailed")


async def trade(site: AlertSite) -> None:
    """What no alert needs, and panels show: a reservation that is declined, an output that is taken, one that is
    deleted."""
    poor = await site.world.admin.create_store("Poor boutique")
    async with Client(site.world.url, poor.api_key) as client:
        with pytest.raises(RequestRefused):
            await client.create({"kind": "image", "prompt": "a lake", "size": "256x256"}, {"Prefer": "wait=30"})
    asked = {"kind": "image", "prompt": "a lake", "size": "256x256", "charge": "on_delivery"}
    headers = {"X-Atelier-Simulate": "outcome=succeed", "Prefer": "wait=30"}
    made = (await site.records.shopper.post("/v1/generations", json=asked, headers=headers)).json()
    await site.records.shopper.get(made["outputs"][0]["url"])
    await wait_until_ended(site, made["id"])
    deleted = await site.records.shopper.delete(f"/v1/generations/{made['id']}")
    assert deleted.status_code == 204, deleted.text


@in_explore
async def test_every_expression_of_the_dashboards_evaluates_and_shows_what_was_caused(site: AlertSite) -> None:
    await trade(site)

    async def without_samples() -> set[str] | NotYet:
        silent = set()
        for panel, expression in load_expressions():
            plain = expression.replace("$__rate_interval", "1m").replace("$__range", "10m")
            values = await site.prometheus.query_history(plain)
            if not values and not any(name in expression for name in EMPTY):
                silent.add(f"{panel}: {expression}")
        return NotYet("\n".join(sorted(silent))) if silent else silent

    await eventually(without_samples, within_s=30)  # the last traffic takes a scrape


@in_explore
async def test_a_frozen_broker_is_away_and_the_outbox_keeps_what_was_committed(site: AlertSite) -> None:
    ids = await generate(site, 3, "outcome=succeed, delay_ms=4000")
    await asyncio.sleep(1)  # they are at the provider, and end while nothing can be published
    site.world.stack.kill("rabbitmq", SIGSTOP)
    try:
        await site.prometheus.wait_until_firing("OutboxNotDraining", service="render")
        await site.prometheus.wait_until_firing("PartAway", service="render", part="broker")
    finally:
        site.world.stack.kill("rabbitmq", SIGCONT)
    await site.prometheus.wait_until_clear("OutboxNotDraining")
    await site.prometheus.wait_until_clear("PartAway")
    await wait_until_ended(site, *ids)


async def test_in_the_end_all_is_quiet(site: AlertSite) -> None:
    async def quiet() -> bool | NotYet:
        now = [alert for alert in await site.prometheus.firing() if alert.labels.get("job") != "otel-collector"]
        return NotYet(now) if now else True

    await eventually(quiet, within_s=120)


def test_every_alert_is_caused_or_named_with_the_reason_why_it_is_not() -> None:
    caused = set(
        re.findall(r'firing\(\s*"(\w+)"', Path(__file__).read_text() + Path(alert_causes.__file__).read_text())
    )

    assert caused | NOT_CAUSED.keys() == {rule["alert"] for rule in load_rules()}
    assert caused & NOT_CAUSED.keys() == set()
