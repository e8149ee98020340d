"""Starts the gateway's background tasks: each runs until the service stops."""

from collections.abc import Awaitable, Callable
from functools import partial

from atelier_gateway.batches import file_store as batch_files
from atelier_gateway.batches import store as batch_store
from atelier_gateway.container import Container
from atelier_gateway.disputes.settlement import observe_waiting
from atelier_gateway.generations import undelivered_results
from atelier_gateway.generations.rerenderer import SETTLE_EVERY_S as RERENDERS_EVERY_S
from atelier_gateway.idempotency import store as idempotency_store
from atelier_gateway.identity import client_token_store
from atelier_gateway.identity.last_use import FLUSH_EVERY_S
from atelier_gateway.identity.refusal_log import FLUSH_EVERY_S as REFUSALS_EVERY_S
from atelier_gateway.media.uploads import SWEEP_EVERY_S
from atelier_gateway.peers import unconfirmed_store
from atelier_gateway.peers.message_repeater import MessageRepeater
from atelier_gateway.projection import event_log
from atelier_gateway.projection.waiter import POLL_EVERY_S
from atelier_gateway.rate_limits import hourly_quota, postgres_windows
from atelier_gateway.surfaces.batch_worker import build_worker
from atelier_gateway.webhooks import delivery_store
from atelier_messaging import periodic

PRUNE_EVERY_S = 600.0
DISPUTES_EVERY_S = 15.0
RETURNS_EVERY_S = 600.0


def start_background_tasks(container: Container) -> None:
    """One that ends ends the service (``Bus.run_in_background``)."""
    bus, pool, settings = container.bus, container.pool, container.settings
    repeater = MessageRepeater(bus, after_s=settings.unconfirmed_after_s)
    periodic_tasks: tuple[tuple[str, float, Callable[[], Awaitable[object]]], ...] = (
        ("key prune", PRUNE_EVERY_S, partial(idempotency_store.prune, pool)),
        ("rate prune", PRUNE_EVERY_S, partial(postgres_windows.prune, pool)),
        ("hour prune", PRUNE_EVERY_S, partial(hourly_quota.prune, pool)),
        ("token prune", PRUNE_EVERY_S, partial(client_token_store.prune, pool)),
        ("event prune", PRUNE_EVERY_S, partial(event_log.prune, pool)),
        ("result prune", PRUNE_EVERY_S, partial(undelivered_results.prune, pool)),
        ("webhook prune", PRUNE_EVERY_S, partial(delivery_store.prune, pool, settings.webhook_kept_days)),
        ("batch prune", PRUNE_EVERY_S, partial(batch_store.prune, pool, settings.batches_kept_days)),
        ("batch file prune", PRUNE_EVERY_S, partial(batch_files.prune, pool)),
        ("message prune", PRUNE_EVERY_S, partial(unconfirmed_store.prune, pool)),
        ("upload sweep", SWEEP_EVERY_S, container.uploads.sweep),
        ("key last use", FLUSH_EVERY_S, container.authenticator.key_use.flush),
        ("token last use", FLUSH_EVERY_S, container.operator_authenticator.token_use.flush),
        ("rerenders", RERENDERS_EVERY_S, container.rerenderer.settle),
        ("rerender returns", RETURNS_EVERY_S, container.rerenderer.repeat_returns),
        ("dispute returns", RETURNS_EVERY_S, container.disputes.repeat_returns),
        ("refusals", REFUSALS_EVERY_S, container.refusals.flush),
        ("refusal prune", PRUNE_EVERY_S, container.refusals.prune),
        ("waiting poll", POLL_EVERY_S, container.waiter.poll),
        ("disputes waiting", DISPUTES_EVERY_S, partial(observe_waiting, pool)),
        ("unconfirmed messages", settings.standing_check_every_s, repeater.repeat),
        ("stalled check", settings.standing_check_every_s, container.recovery.check),
    )
    for name, every_s, act in periodic_tasks:
        bus.run_in_background(periodic.run_every(name, every_s, act), name)
    bus.run_in_background(container.webhook_dispatcher.run(), "webhooks")
    bus.run_in_background(container.bucket_delivery.run(), "bucket delivery")
    bus.run_in_background(build_worker(container).run(), "batches")
    bus.run_in_background(container.catalogue.keep_fresh(), "provider catalogue")
